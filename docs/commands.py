"""Commands on the pages: finding them, and checking that they would run."""

import importlib.util
import re
import shlex
from functools import cache

from audits.mutants.catalogue import check_backend, find
from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.options import parse_sample, parse_train
from shared.errors import UserError
from shared.protocol import BACKENDS
from shared.sources import ROOT


class CommandError(UserError):
    """A page shows a command that does not run."""


def commands_of(page: str) -> list[str]:
    """The commands of a page: those of `{try}`, and every line of its sh blocks."""
    options = re.findall(r"^:command:\s*(.+)$", page, re.MULTILINE)
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in [*options, *lines] if shlex.split(line, comments=True)]


def check_command(command: str) -> None:
    """Check that a command names an existing session or module, and options that it has.

    Raises:
        UserError: it does not; the message says what is wrong.
    """
    words = shlex.split(command, comments=True)
    match words:
        case ["nox", "-s", session, *rest]:
            if session not in nox_sessions():
                raise CommandError(f"there is no nox session {session!r}: {command}")
            if rest and rest[0] != "--":
                raise CommandError(f"options of a session come after --: {command}")
            kind, _, backend = session.partition("-")
            _check_options(kind, backend, rest[1:])
        case ["python", "-m", *_]:
            module, *options = words_of_module(command)
            backend, _, kind = module.removeprefix("impls.").rpartition(".")
            _check_options(kind, backend, options)
        case _:
            raise CommandError(f"neither `nox -s SESSION` nor `python -m MODULE`: {command}")


def words_of_module(command: str) -> list[str]:
    """["lessons.temperatures", "--prompt", "ROMEO:"] of
    `python -m lessons.temperatures --prompt "ROMEO:"`.

    Raises:
        CommandError: it is another kind of command, or the module does not exist.
    """
    match shlex.split(command, comments=True):
        case ["python", "-m", module, *options]:
            if not _exists(module):
                raise CommandError(f"there is no module {module}: {command}")
            return [module, *options]
    raise CommandError(f"only `python -m MODULE` is run while the site is built: {command}")


@cache
def nox_sessions() -> frozenset[str]:
    """The names of all sessions of noxfile.py."""
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    functions = re.findall(r"^@nox\.session.*\ndef (\w+)\(", text, re.MULTILINE)
    named = re.findall(r'^@nox\.session\(name="([\w-]+)"', text, re.MULTILINE)
    both = [f"{kind}-{backend}" for kind in ("train", "sample") for backend in BACKENDS]
    return frozenset([*functions, *named, *both]) - {"break_"}


def _check_options(kind: str, backend: str, options: list[str]) -> None:
    """Check the options of the commands that can parse them without running."""
    if kind == "train" and backend in BACKENDS:
        parse_train(backend, options, _no_checkpoint)
    elif kind == "sample" and backend in BACKENDS:
        parse_sample(backend, options)
    elif kind == "break" and options and not options[0].startswith("-"):
        mutant = find(options[0])
        planted = check_backend(options[options.index("--backend") + 1 :][0])
        if planted not in mutant.edits:
            raise CommandError(f"{mutant.name} cannot be planted in {planted}")


def _no_checkpoint(asked: object) -> Checkpoint:
    raise CommandError("a command with --resume or --init-from depends on a run")


def _exists(module: str) -> bool:
    """Whether `python -m` finds it: as a module, or as a package with a __main__."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        return False
    return spec is not None
