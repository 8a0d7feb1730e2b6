"""The entries of the catalogue, one module per theme."""
