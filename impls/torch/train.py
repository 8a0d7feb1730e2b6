"""Train a GPT in PyTorch: python -m impls.torch.train --help"""

import sys

from shared.commands.train import train_main

if __name__ == "__main__":
    sys.exit(train_main("torch"))
