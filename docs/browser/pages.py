"""The tested site, and its pages by name."""

import os
from pathlib import Path

from docs.build import SITE


def built_site() -> Path:
    """Its directory: build/site, or $MINIGPT_SITE."""
    return Path(os.environ.get("MINIGPT_SITE", SITE)).resolve()


def page_names(site: Path) -> list[str]:
    """All its pages, the first one first: "index", "determinism", "pages/01-…"."""
    names = [path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")]
    pages = [name for name in names if not name.startswith("_")]
    return sorted(pages, key=lambda name: (name != "index", "/" in name, name))
