"""Dead links of a site: to a page, a file or a place on a page that does not exist.

Other sites are not contacted: only the form of their addresses is checked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//")
ADDRESS = re.compile(r"https://([\w-]+\.)+[a-z]{2,}(/[^\s]*)?")
OURSELVES = re.compile(r"http://127\.0\.0\.1(:\d+)?/?")


@dataclass
class Page(HTMLParser):
    """What a page links to, and the places on it that can be linked to."""

    links: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif value and ((tag, name) in {("a", "href"), ("img", "src"), ("script", "src")}):
                self.links.append(value)


def dead_links(site: Path) -> Iterator[str]:
    """A line for every dead link of a built site."""
    pages = {path.resolve(): read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            if why := fault(link, path, pages):
                yield f"{path.relative_to(site.resolve())}: ERROR: dead link {link}: {why}"


def read(path: Path) -> Page:
    """The links and places of a page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def fault(link: str, path: Path, pages: dict[Path, Page]) -> str:
    """What is wrong with a link on the page `path`; "" if nothing is."""
    if link.startswith("data:"):
        return ""
    if ELSEWHERE.match(link):
        fine = ADDRESS.fullmatch(link) or OURSELVES.fullmatch(link)
        return "" if fine else "no address that begins with https://"
    target, _, place = link.partition("#")
    file = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
    if not file.is_file():
        return "there is no such page"
    if place and file in pages and unquote(place) not in pages[file].places:
        return f"there is no {place} on that page"
    return ""
