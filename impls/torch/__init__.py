"""The torch backend: the GPT in PyTorch."""

if __name__ == "torch":  # a copy of this folder may have any other name
    raise ImportError(
        "this folder was imported as 'torch' and hides the real package of that name: "
        "run Python from the top of the repository, not from inside impls/"
    )
