"""Planted bugs: how good the conformance suite is at finding what it is there to find."""
