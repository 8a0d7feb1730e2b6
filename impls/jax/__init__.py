"""The jax room: the GPT in JAX, with flax nnx and optax."""

if __name__ != "impls.jax":
    raise ImportError(
        f"this folder was imported as {__name__!r} and hides the real package 'jax': "
        f"run Python from the top of the repository, not from inside impls/"
    )
