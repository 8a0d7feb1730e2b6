"""The numpy backend: the GPT in NumPy alone, with its backward pass written by hand."""

if __name__ == "numpy":  # a copy of this folder may have any other name
    raise ImportError(
        "this folder was imported as 'numpy' and hides the real package of that name: "
        "run Python from the top of the repository, not from inside impls/"
    )
