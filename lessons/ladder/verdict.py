"""Whether a rung is climbed, and if not, the message for the learner."""

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from conformance.compare import farthest, relative_error
from lessons.ladder.rungs import MAIN, Rung
from lessons.ladder.subject import Subject, Unlike

RIGHT, OPEN, WRONG, BROKEN = "right", "open", "wrong", "broken"


@dataclass(frozen=True)
class Verdict:
    """The verdict on a rung."""

    rung: Rung
    state: str
    """RIGHT; OPEN: not written yet; WRONG; BROKEN: the files cannot be imported."""
    error: float = 0.0
    """The largest relative error."""
    shape: tuple[int, ...] = ()
    """The expected shape, of the first value that is not right or else of the first."""
    found: list[tuple[str, str]] = field(default_factory=list)
    """The message of a failure: pairs of a word and an explanation."""


def judge(rung: Rung, reference: Subject, subject: Subject, folder: Path) -> Verdict:
    """Compare the rung's values one by one, up to the first that is not right. `folder` has the
    learner's files, in which exceptions are located."""
    largest, shape = 0.0, ()
    for name in rung.names:
        expected = np.asarray(rung.look(reference, name))
        shape = shape or expected.shape
        try:
            with np.errstate(all="ignore"):  # NaN is reported where it arrives
                found = rung.look(subject, name)
            largest = max(largest, check(rung, name, expected, found, reference))
            continue
        except Unlike as unlike:
            value = [("value", name)] if name != rung.name else []
            state, told = WRONG, [*value, *unlike.args]
        except NotImplementedError as error:
            to_do = ("to do", " ".join(str(error).split()))
            state, told = OPEN, [to_do, *place(error, folder)[:1]]
        except (Exception, SystemExit) as error:  # a learner's code may raise anything
            state, told = WRONG, raised(error, folder)
        return Verdict(rung, state, shape=expected.shape, found=told)
    return Verdict(rung, RIGHT, largest, shape)


def check(rung: Rung, name: str, expected: np.ndarray, found: Any, reference: Subject) -> float:
    """The relative error of one value. Raises `Unlike` if it is above the rung's limit."""
    if isinstance(found, float):
        found = np.asarray(found)
    if not isinstance(found, np.ndarray):
        raise Unlike(("found", f"{type(found).__name__} instead of a NumPy array"))
    if expected.dtype.kind != "i" and found.shape != expected.shape:
        raise Unlike(("found", f"shape {list(found.shape)}"))
    if found.dtype != expected.dtype:
        instead = f"{found.dtype} instead of {expected.dtype}: keep the precision of x"
        raise Unlike(("found", instead))
    if expected.dtype.kind == "i":
        return check_whole(expected, found)
    bad = ~np.isfinite(found)
    if bad.any():
        at = tuple(np.argwhere(bad)[0].tolist())
        many = f"{int(bad.sum())} of {found.size} entries are NaN or infinite; the first is "
        raise Unlike(("found", f"{many}{found[at]} at {list(at)}"))
    error = relative_error(found, expected)
    if not error <= rung.limit:
        raise Unlike(*differences(rung, name, expected, found, reference))
    return error


def check_whole(expected: np.ndarray, found: np.ndarray) -> float:
    """Tokens must all be equal, a count at most the expected one."""
    if expected.ndim == 0:
        if found > expected:
            raise Unlike(("found", f"{found}, expected at most {expected}"))
        return 0.0
    if len(found) != len(expected):
        raise Unlike(("found", f"{len(found)} tokens, expected {len(expected)}"))
    if (found != expected).any():
        i = int((found != expected).argmax())
        raise Unlike(("found", f"token {found[i]} at place {i}, expected {expected[i]}"))
    return 0.0


def differences(
    rung: Rung, name: str, expected: np.ndarray, found: np.ndarray, reference: Subject
) -> list[tuple[str, str]]:
    """The entry with the largest error, and anything conspicuous about the whole."""
    at, error = farthest(found, expected), relative_error(found, expected)
    lines = [
        ("found", f"yours {found[at]:.6g}, expected {expected[at]:.6g}, at {list(at)}"),
        ("error", f"{error:.1e} of the largest value; the limit is {rung.limit:.0e}"),
    ]
    scale = float((found * expected).sum() / max((expected * expected).sum(), 1e-300))
    if relative_error(found, scale * expected) < 1e-9 and expected.size > 1:
        lines.append(("note", f"all of yours is {scale:.4g} times what is expected"))
    if rung.section == "forward":
        values = reference.trace(MAIN).values
        for other, value in values.items():
            if other != name and value.shape == found.shape and relative_error(found, value) < 1e-9:
                lines.append(("note", f"what you have here would be right for {other}"))
    return lines


def raised(error: BaseException, folder: Path) -> list[tuple[str, str]]:
    """An exception: what, and where in the learner's files."""
    message = " ".join(str(error).split()) or "without a message"
    return [("raised", f"{type(error).__name__}: {message}"), *place(error, folder)]


def place(error: BaseException, folder: Path) -> list[tuple[str, str]]:
    """The innermost place in the learner's files: file, line, function and its text. (Not in
    `todo`, which every gap calls.)"""
    if isinstance(error, SyntaxError) and error.filename:  # it has no frame: nothing ran
        at = f"{show_path(Path(error.filename))}:{error.lineno}"
        return [("at", at), ("line", (error.text or "").strip())]
    every = (frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "todo")
    frames = [frame for frame in every if folder in Path(frame.filename).parents]
    if not frames:
        return [("at", "a place outside of your files")]
    last = frames[-1]
    at = f"{show_path(Path(last.filename))}:{last.lineno}, in {last.name}"
    return [("at", at), ("line", last.line or "")]


def show_path(path: Path) -> str:
    """The path relative to the current directory, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
