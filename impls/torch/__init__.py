"""The torch room: the GPT in PyTorch."""

if __name__ != "impls.torch":
    raise ImportError(
        f"this folder was imported as {__name__!r} and hides the real package 'torch': "
        f"run Python from the top of the repository, not from inside impls/"
    )
