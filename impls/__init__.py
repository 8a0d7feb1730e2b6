"""One GPT, three times: in NumPy, in PyTorch and in JAX."""
