"""The errors that commands show without a traceback."""


class UserError(Exception):
    """Something that the user supplied is unusable.

    The message explains it fully in one or two lines: what was found, what was expected and, where
    it helps, what to do. Commands print it and exit with status 2.
    """


class ConfigError(UserError, ValueError):
    """An impossible configuration of a model or training run."""


class InputError(UserError, ValueError):
    """Arrays that a model cannot accept: wrong type, wrong shape, or ids out of range."""


class TokenizerError(UserError):
    """A text that a tokenizer cannot encode, or a tokenizer that cannot be built or read."""


class DatasetError(UserError):
    """A dataset that cannot be found, read, downloaded or used."""


class CheckpointError(UserError):
    """A checkpoint that is missing, incomplete, damaged, or not what it claims to be."""


class RunError(UserError):
    """A run directory that cannot be used as asked."""


class BackendError(UserError):
    """A backend that does not exist or cannot be imported."""
