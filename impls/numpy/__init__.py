"""The numpy room: the GPT in NumPy alone, its backward written by hand."""

if __name__ != "impls.numpy":
    raise ImportError(
        f"this folder was imported as {__name__!r} and hides the real package 'numpy': "
        f"run Python from the top of the repository, not from inside impls/"
    )
