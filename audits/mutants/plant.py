"""Planting: a copy of a backend with one bug in it, as a package outside the tree. The copy has
another name, so that the healthy backend and the mutant can share a process."""

import difflib
import sys
from pathlib import Path

from audits.mutants.mutant import HEALTHY, Mutant
from shared.errors import UserError
from shared.sources import ROOT

IMPLS = ROOT / "impls"


class MutantError(UserError):
    """There is no such mutant, or it no longer fits the sources."""


def mutate(mutant: Mutant, backend: str) -> dict[str, str]:
    """The sources of a backend with the bug in them, by path. Raises `MutantError` if a text to be
    replaced does not occur as often as it should."""
    folder = IMPLS / backend
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
    sources = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    for edit in mutant.edits[backend]:
        found = sources.get(edit.file, "").count(edit.old)
        if found != edit.times:
            raise MutantError(
                f"{mutant.name} no longer fits impls/{backend}/{edit.file}: "
                f"{edit.old!r} is to stand there {edit.times} times and does {found} times"
            )
        sources[edit.file] = sources[edit.file].replace(edit.old, edit.new)
    return sources


def plant(mutant: Mutant, backend: str, directory: Path) -> str:
    """Write the mutated backend into `directory`, from which this name imports it."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    package = f"{mutant.name}_{backend}"
    for name, source in mutate(mutant, backend).items():
        # The imports within the backend, and the guard in its __init__.py.
        renamed = source.replace(f"impls.{backend}", package)
        path = directory / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(renamed, encoding="utf-8")
    return package


def diff(mutant: Mutant, backend: str) -> list[str]:
    """The lines of the source that the mutant changes, as `diff -u0` shows them."""
    healthy, mutated = mutate(HEALTHY, backend), mutate(mutant, backend)
    lines: list[str] = []
    for name in dict.fromkeys(edit.file for edit in mutant.edits[backend]):
        path = f"impls/{backend}/{name}"
        old, new = healthy[name].splitlines(), mutated[name].splitlines()
        lines += difflib.unified_diff(old, new, path, f"{path}, mutated", n=0, lineterm="")
    return lines
