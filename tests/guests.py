"""Guest backends, as users might bring them: guests.toml, as files of a package `guest`."""

import tomllib
from pathlib import Path

GUESTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def write_guests(directory: Path) -> None:
    """Make the package under a directory, from which it can be imported."""
    package = directory / "guest"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    for name, change in GUESTS["changes"].items():
        (package / f"{name}.py").write_text(GUESTS["healthy"] + change, encoding="utf-8")
