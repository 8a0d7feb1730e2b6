"""What a command measured, between the two comments of README.md that bear its name."""

import re
from pathlib import Path

from shared.errors import RunError
from shared.files import explained, write_whole
from shared.sources import ROOT

README = ROOT / "README.md"


def markers(name: str) -> tuple[str, str]:
    """The lines between which the results of a command are."""
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"


def update_readme(readme: Path, name: str, results: str) -> None:
    """Replace what is between the markers of `name`. Raises `RunError` if there are none."""
    begin, end = markers(name)
    with explained("read", readme):
        text = readme.read_text(encoding="utf-8")
    new, found = re.subn(f"(?s)(?<={begin}).*?(?={end})", lambda _: results, text)
    if not found:
        raise RunError(f"{readme} has no {begin.strip()} followed by {end.strip()}")
    if new != text:
        with explained("write", readme):
            write_whole(readme, new)
