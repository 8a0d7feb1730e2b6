"""The jax backend: the GPT in JAX, with flax nnx and optax."""

if __name__ == "jax":  # a copy of this folder may have any other name
    raise ImportError(
        "this folder was imported as 'jax' and hides the real package of that name: "
        "run Python from the top of the repository, not from inside impls/"
    )
