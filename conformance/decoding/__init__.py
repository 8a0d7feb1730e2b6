"""What a model writes: greedy and sampled text, with a KV cache and without."""
