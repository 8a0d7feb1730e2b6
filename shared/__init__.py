"""What all backends share: configuration, data, weights on disk, the training loop.

Nothing in this package imports a framework or a backend; `shared.protocol.load_backend` reaches
backends by name, at run time.
"""
