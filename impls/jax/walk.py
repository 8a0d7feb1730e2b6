"""Walk one text through a GPT in JAX, value by value: python -m impls.jax.walk --help"""

import sys

from shared.walk import walk_main

if __name__ == "__main__":
    sys.exit(walk_main("jax"))
