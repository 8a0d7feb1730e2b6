"""From text to batches of ids: datasets and their splits, tokenizers, and the playlets."""
