"""Walk one text through a GPT in NumPy, value by value: python -m impls.numpy.walk --help"""

import sys

from shared.walk import walk_main

if __name__ == "__main__":
    sys.exit(walk_main("numpy"))
