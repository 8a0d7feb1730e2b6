"""Train a GPT in NumPy: python -m impls.numpy.train --help"""

import sys

from shared.commands.train import train_main

if __name__ == "__main__":
    sys.exit(train_main("numpy"))
