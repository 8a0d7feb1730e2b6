"""The one kind of error that a command line shows without a traceback."""


class UserError(Exception):
    """Something the user gave cannot be used.

    The message is the whole explanation, in one or two lines: what was found, what was expected,
    and where it helps, what to do. Command lines print it and exit with status 2.
    """


class ConfigError(UserError, ValueError):
    """A configuration that no model or training run can have."""


class InputError(UserError, ValueError):
    """Tokens that a model cannot take: wrong type, wrong shape, or ids out of range."""


class TokenizerError(UserError):
    """A text that a tokenizer cannot encode, or a tokenizer that cannot be built or read."""


class DatasetError(UserError):
    """A dataset that cannot be found, read, downloaded or used."""


class CheckpointError(UserError):
    """A checkpoint that is missing, incomplete, damaged, or not what it says it is."""


class RunError(UserError):
    """A run directory that cannot be used as asked."""


class BackendError(UserError):
    """A backend that does not exist or cannot be imported."""
