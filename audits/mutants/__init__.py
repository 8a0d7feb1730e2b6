"""Planted bugs: how many of them the conformance suite finds."""
