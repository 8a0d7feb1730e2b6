"""What is missing in the exercise, by file and function of the NumPy backend: from gaps.toml."""

import tomllib
from pathlib import Path
from typing import Any

TABLE: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("gaps.toml").read_text(encoding="utf-8")
)
WHOLE: dict[str, str] = TABLE["whole"]
"""Functions without a body: what to write, under NumPy's docstring."""
PARTS: dict[str, dict[str, str]] = TABLE["parts"]
"""Functions with gaps: expressions of NumPy's, and what they are."""
((DECODE, SLOW),) = TABLE["slow"].items()
"""The function whose body is right, only slow, and that body."""
GAPS = (*WHOLE, *PARTS, DECODE)
"""What the reader writes."""
EDITS: dict[str, dict[str, str]] = TABLE["edits"]
"""By file: what else reads differently there."""
INIT: str = TABLE["init"]["__init__.py"]
"""The text of the exercise's first file."""
