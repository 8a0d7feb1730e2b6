"""Generated text: greedy and sampled, with a KV cache and without."""
