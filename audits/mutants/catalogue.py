"""All mutants."""

import tomllib
from dataclasses import replace
from pathlib import Path

from audits.mutants.entries import (
    adapters,
    attention,
    blocks,
    decoding,
    embeddings,
    found,
    lessons,
    life,
    losses,
    norms,
    optimizers,
)
from audits.mutants.mutant import Mutant, Source
from audits.mutants.plant import MutantError
from shared.protocol import BACKENDS

THEMES = (
    *(embeddings, norms, attention, blocks, losses, optimizers, decoding, adapters),
    *(lessons, found, life),
)
MUSEUM = Path(__file__).parent / "entries" / "museum.toml"
SEEN = {
    name: tuple(Source(where.split()[0], where.split()[1], what) for where, what in threads.items())
    for name, threads in tomllib.loads(MUSEUM.read_text(encoding="utf-8")).items()
}
"""By the name of the mutant, where its mistake was made."""

CATALOGUE: dict[str, Mutant] = {
    mutant.name: replace(mutant, seen=SEEN.get(mutant.name, ()))
    for theme in THEMES
    for mutant in theme.MUTANTS
}
"""By name, in the order of the data flow."""


def find(name: str) -> Mutant:
    """The mutant called `name`. Raises `MutantError` for one that does not exist."""
    if name not in CATALOGUE:
        raise MutantError(f"there is no mutant {name!r}; `nox -s break -- --list` lists them")
    return CATALOGUE[name]


def check_backend(name: str) -> str:
    """Raises `MutantError` for a backend that is not built in."""
    if name not in BACKENDS:
        raise MutantError(f"there is no backend {name!r} to break; there are {', '.join(BACKENDS)}")
    return name
