"""Train a GPT in PyTorch: python -m impls.torch.train --help"""

import sys

if not __package__:  # started as a file, or from inside this folder
    print("from the top of the repository: python -m impls.torch.train", file=sys.stderr)
    sys.exit(2)

from shared.commands.train import train_main

if __name__ == "__main__":
    sys.exit(train_main("torch"))
