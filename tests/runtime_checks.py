"""Check the backends' annotations at every call: `python -m pytest -p tests.runtime_checks tests`.

Shapes by jaxtyping, all other types by beartype. Modules that are imported later than this one are
checked, so it is loaded as a plugin, before any conftest.py.

Not those of `shared`: what comes from outside arrives there, and is turned away with an explanation
that the checker would forestall.
"""

import pytest
from jaxtyping import install_import_hook

# As for mypy, an int is good enough where a float is wanted.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"

install_import_hook(["impls"], CHECKER)


def pytest_configure(config: pytest.Config) -> None:
    """Not to fail on what beartype thinks of a type that flax's State is made of."""
    warning = "beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
    config.addinivalue_line("filterwarnings", f"ignore::{warning}")
