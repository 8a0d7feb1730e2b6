"""Every preset, trained in every backend: the table that stands in the README."""
