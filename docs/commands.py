"""Commands on the pages: finding them, and checking that they name something that exists."""

import re
import shlex
from functools import cache

from audits.mutants.catalogue import check_backend, find
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
    """Raises `UserError` unless a command names a session or module, and a bug, that exist."""
    match shlex.split(command, comments=True):
        case ["nox", "-s", session, *rest]:
            if session not in nox_sessions():
                raise CommandError(f"there is no nox session {session!r}: {command}")
            if rest and rest[0] != "--":
                raise CommandError(f"options of a session come after --: {command}")
            match session, rest:
                case "break", ["--", name, "--backend", backend]:
                    if check_backend(backend) not in find(name).edits:
                        raise CommandError(f"{name} cannot be planted in {backend}")
        case (
            ["python", "-m", module, *_]
            | ["torchrun", _, _, "-m", module, *_]
            | ["mpiexec", _, _, "python", "-m", module, *_]
        ):
            path = ROOT / module.replace(".", "/")
            if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
                raise CommandError(f"there is no module {module}: {command}")
        case _:
            raise CommandError(f"neither `nox -s SESSION` nor `python -m MODULE`: {command}")


@cache
def nox_sessions() -> frozenset[str]:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    functions = re.findall(r"^@nox\.session.*\ndef (\w+)\(", text, re.MULTILINE)
    named = re.findall(r'^@nox\.session\(name="([\w-]+)"', text, re.MULTILINE)
    both = [f"{kind}-{backend}" for kind in ("train", "sample") for backend in BACKENDS]
    return frozenset([*functions, *named, *both]) - {"break_"}
