"""Check the backends' annotations at every call: `python -m pytest -p tests.runtime_checks tests`.

Shapes by jaxtyping, all other types by beartype. Modules that are imported later than this one are
checked, so it is loaded as a plugin, before any conftest.py.

Not those of `shared`: it validates input from outside and explains errors, which the checker would
prevent.
"""

import pytest
from jaxtyping import install_import_hook

# As for mypy, an int is accepted as a float.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"

install_import_hook(["impls"], CHECKER)


def pytest_configure(config: pytest.Config) -> None:
    """Ignore beartype's warning about a base type of flax's State."""
    warning = "beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
    config.addinivalue_line("filterwarnings", f"ignore::{warning}")
