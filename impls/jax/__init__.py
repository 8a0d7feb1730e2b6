"""The jax room: the GPT in JAX, with flax nnx and optax."""

if __name__ != "impls.jax":
    raise ImportError(
        f"this folder was imported as {__name__!r} and hides the real package 'jax': "
        f"run Python from the top of the repository, not from inside impls/"
    )

import jax

# Without this JAX silently makes float32 of every float64. With it, everything states its precision.
jax.config.update("jax_enable_x64", True)
