"""Which check found each mutant, in finders.json: the next search begins with it."""

import json
from functools import cache
from pathlib import Path

from shared.files import write_whole

FINDERS = Path(__file__).with_name("finders.json")


@cache
def finders() -> dict[str, str]:
    """file::function[setting] by "MUTANT in BACKEND". A wrong one, or a file that cannot be read,
    costs only time."""
    try:
        return dict(json.loads(FINDERS.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def remember(found: dict[str, str]) -> None:
    """Store these finders beside the others."""
    write_whole(FINDERS, json.dumps(finders() | found, indent=1, sort_keys=True) + "\n")
