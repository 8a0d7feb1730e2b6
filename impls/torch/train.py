"""Train a GPT in PyTorch: python -m impls.torch.train --help"""

import sys

from shared.cli import train_main

if __name__ == "__main__":
    sys.exit(train_main("torch"))
