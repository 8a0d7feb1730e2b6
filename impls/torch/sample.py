"""Write text with a trained GPT in PyTorch: python -m impls.torch.sample --help"""

import sys

if not __package__:  # started as a file, or from inside this folder
    print("from the top of the repository: python -m impls.torch.sample", file=sys.stderr)
    sys.exit(2)

from shared.commands.sample import sample_main

if __name__ == "__main__":
    sys.exit(sample_main("torch"))
