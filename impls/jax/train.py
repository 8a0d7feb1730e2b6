"""Train a GPT in JAX: python -m impls.jax.train --help"""

import sys

from shared.commands.train import train_main

if __name__ == "__main__":
    sys.exit(train_main("jax"))
