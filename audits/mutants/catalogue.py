"""All mutants, from entries/: a file for each theme, and in it a table for each bug.

    [temperature_multiplied]
    story = "logits times the temperature instead of divided by it"
    edits = [
      ["generate.py", "eager", "/ config.temperature", "* config.temperature"],
      ["generate.py", "jax", "/ temperature", "* temperature"],
    ]

An edit has a file, backends, the old text and the new one, in which … stands for the old; and how
often the old one stands there, if not once. Edits that several bugs begin with are in a table
`shared`: a bug has their name in place of a file, and no texts. `chapters`, of a bug or all bugs of
a file, are those of the suite that test this kind of bug: a name of `CHAPTERS`, or a list of names
and of others. Without them it is the forward pass.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.mutants.mutant import CHAPTERS, HEALTHY, Edit, Edits, Mutant, Source
from audits.mutants.plant import MutantError
from shared.protocol import BACKENDS

GROUPS = {"everywhere": BACKENDS, "eager": ("numpy", "torch")}
"""Names for several backends: all, and those that do not compile."""
Rows = Sequence[Sequence[Any]]
"""Edits as entries have them."""


@dataclass(frozen=True)
class Theme:
    """The mutants of a file of entries."""

    title: str
    mutants: tuple[Mutant, ...]


def read(name: str) -> dict[str, Any]:
    path = Path(__file__).with_name("entries") / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


SEEN = {
    name: tuple(Source(where.split()[0], where.split()[1], what) for where, what in threads.items())
    for name, threads in read("museum").items()
}
"""By the name of the mutant, where its mistake was made."""
NAMES = (
    *("embeddings", "norms", "attention", "blocks", "losses", "optimizers", "dropout", "processes"),
    *("decoding", "adapters", "lessons", "found", "life"),
)
TABLES = {name: read(name) for name in NAMES}
SHARED = {name: rows for table in TABLES.values() for name, rows in table.pop("shared", {}).items()}
"""Edits that several bugs begin with, by name."""


def read_theme(table: dict[str, Any]) -> Theme:
    """The mutants of a file, in its order."""
    title, usual = table.pop("title"), table.pop("chapters", "forward")
    entries = [{"name": name, "chapters": usual} | entry for name, entry in table.items()]
    return Theme(title, tuple(read_mutant(**entry) for entry in entries))


def read_mutant(name: str, story: str, edits: Rows, chapters: str | Sequence[str]) -> Mutant:
    """The mutant of an entry, which has these keys and no others."""
    return Mutant(name, story, edits_of(edits), chapters_of(chapters), SEEN.get(name, ()))


def check_backend(name: str) -> str:
    """Raises `MutantError` for a backend that is not built in."""
    if name not in BACKENDS:
        raise MutantError(f"there is no backend {name!r} to break; there are {', '.join(BACKENDS)}")
    return name


def edits_of(rows: Rows) -> Edits:
    """By backend, what these rows replace."""
    edits: Edits = {}
    for file, backends, *texts in rows:
        for backend in map(check_backend, GROUPS.get(backends, backends.split())):
            if texts:
                old, new, *times = texts
                made: tuple[Edit, ...] = (Edit(file, old, new.replace("…", old), *times),)
            else:
                made = edits_of(SHARED[file])[backend]
            edits[backend] = edits.get(backend, ()) + made
    return {backend: edits[backend] for backend in BACKENDS if backend in edits}


def chapters_of(names: str | Sequence[str]) -> tuple[str, ...]:
    """The chapters of these names, which may be their own."""
    names = [names] if isinstance(names, str) else names
    if unknown := [name for name in names if name not in CHAPTERS and not name.startswith("test_")]:
        raise MutantError(f"there are no chapters {', '.join(unknown)}")
    return tuple(chapter for name in names for chapter in CHAPTERS.get(name, (name,)))


THEMES = tuple(map(read_theme, TABLES.values()))
CATALOGUE: dict[str, Mutant] = {mutant.name: mutant for theme in THEMES for mutant in theme.mutants}
"""By name, in the order of the data flow."""
TASKS = {(m.name, backend) for m in (*CATALOGUE.values(), HEALTHY) for backend in m.edits}
"""Every mutant, and the healthy copy, with every backend that it is planted in."""


def find(name: str) -> Mutant:
    """The mutant called `name`. Raises `MutantError` for one that does not exist."""
    if name not in CATALOGUE:
        raise MutantError(f"there is no mutant {name!r}; `nox -s break -- --list` lists them")
    return CATALOGUE[name]
