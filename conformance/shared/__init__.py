"""Code that every backend relies on: data, tokenizers, checkpoints, the training loop."""
