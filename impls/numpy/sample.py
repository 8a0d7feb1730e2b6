"""Write text with a trained GPT in NumPy: python -m impls.numpy.sample --help"""

import sys

from shared.commands.sample import sample_main

if __name__ == "__main__":
    sys.exit(sample_main("numpy"))
