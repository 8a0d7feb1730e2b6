"""The specification, as tests. They use backends only through shared/protocol.py."""
