"""Where a run keeps its checkpoints, and how one is written: completely or not at all.

A new directory is written beside its place as `.NAME.tmp-PID-RANDOM`; every file and then the
directory itself is forced to disk, and then it is renamed: a rename happens completely or not at
all. A directory cannot be renamed over another, so the old one is first moved aside as
`.NAME.old-PID-RANDOM` and removed last. A crash between the two renames leaves it there, complete:
`newest_checkpoint` finds it and `clean_leftovers` puts it back.
"""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from shared.checkpoints import parts
from shared.checkpoints.untrusted import reason, refuse

REPLACED = ".replaced"
"""In a run: an earlier run, kept until the one that replaces it has saved something."""

_STEP = re.compile("[0-9]{6,}")
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<kind>tmp|old)-[0-9]+-[0-9a-f]+", re.DOTALL)


def checkpoint_path(run_dir: str | Path, step: int) -> Path:
    """Where a run keeps the checkpoint of a step: RUN/checkpoints/000500."""
    return Path(run_dir) / "checkpoints" / f"{step:06d}"


def newest_checkpoint(run_dir: str | Path) -> Path | None:
    """The checkpoint of the highest step of a run; None if it has none.

    Unfinished checkpoints are ignored. While a run is being replaced and the new one has saved
    nothing, the old run's checkpoint counts. Raises `CheckpointError` if the directory cannot be
    read."""
    for run in (Path(run_dir), Path(run_dir) / REPLACED):
        directory = run / "checkpoints"
        try:
            steps = checkpoints_by_step(directory)
        except OSError as error:
            refuse(directory, f"cannot be read: {reason(error)}")
        if steps:
            return steps[max(steps)]
    return None


def checkpoints_by_step(directory: Path) -> dict[int, Path]:
    """The complete checkpoints in RUN/checkpoints. Raises `OSError`."""
    found = _complete(directory) if directory.is_dir() else {}
    return {int(name): path for name, path in found.items() if _STEP.fullmatch(name)}


def clean_leftovers(directory: str | Path) -> None:
    """Remove what interrupted saves left in RUN/checkpoints, but put back what was moved aside.

    Only the process that may write there may call this: it would remove what another is writing.
    Raises `CheckpointError` if something cannot be removed."""
    directory = Path(directory)
    try:
        if directory.is_dir():
            _clean(directory)
    except OSError as error:
        refuse(directory, f"what an interrupted save left cannot be removed: {reason(error)}")


def model_around(path: Path) -> Path | None:
    """The model or run that `path` is or lies in, where nothing else should be written; None if
    there is none. (Within a run, only checkpoints/ counts.)"""
    path = path.resolve()
    if parts.exists(path, parts.CONFIG):
        return path
    for place in (path, *path.parents):
        if any(parts.exists(place, name) for name in parts.WEIGHTS):
            return place
        if place.name == "checkpoints" and parts.exists(place.parent, "metrics.jsonl"):
            return place.parent
    return None


def write_directory(
    path: Path, files: Mapping[str, bytes], check: Callable[[Path], object]
) -> None:
    """Write the directory `path` with exactly these files, replacing an existing one.

    Returns when it would survive a power cut. After any exception, even Ctrl-C, what was at `path`
    before is still there and nothing is left beside it.

    `check` reads the new directory before it takes its place, and raises if that fails. Raises
    `OSError`: disk full, read-only, no parent directory.
    """
    temporary = _beside(path, "tmp")
    try:
        temporary.mkdir()
        for name, content in files.items():
            _write(temporary / name, content)
        _sync(temporary)
        check(temporary)
        _put_in_place(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_directory(path: Path) -> None:
    """Remove a checkpoint: first its name, at once, then its files. Raises `OSError`."""
    temporary = _beside(path, "tmp")  # what a crash leaves under this name is cleaned up later
    path.rename(temporary)
    shutil.rmtree(temporary)


def _complete(directory: Path) -> dict[str, Path]:
    """The complete directories in `directory`, by the name that each has or should have."""
    in_place, aside = {}, {}
    for entry in sorted(directory.iterdir()):
        leftover = _LEFTOVER.fullmatch(entry.name)
        if not entry.is_dir():
            continue
        if leftover is None:
            in_place[entry.name] = entry
        elif leftover["kind"] == "old":
            aside[leftover["name"]] = entry
    return aside | in_place


def _clean(directory: Path) -> None:
    complete = _complete(directory)
    for entry in sorted(directory.iterdir()):
        leftover = _LEFTOVER.fullmatch(entry.name)
        if leftover is None or entry.is_symlink() or not entry.is_dir():
            continue
        if complete.get(leftover["name"]) == entry:
            entry.rename(directory / leftover["name"])
        else:
            shutil.rmtree(entry)
    _sync(directory)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename, and force the new name to disk before the old directory is removed."""
    aside = _beside(path, "old") if path.exists() else None
    try:
        if aside is not None:
            path.rename(aside)
        temporary.rename(path)
        _sync(path.parent)
    except BaseException:
        if not temporary.exists():
            path.rename(temporary)
        if aside is not None and aside.exists():
            aside.rename(path)
        raise
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}-{secrets.token_hex(4)}")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Force a directory's entries to disk."""
    if os.name == "nt":  # Windows cannot open a directory, and needs no such call
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
