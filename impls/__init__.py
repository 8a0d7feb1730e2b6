"""Three rooms with the same furniture: one GPT in NumPy, in PyTorch and in JAX."""
