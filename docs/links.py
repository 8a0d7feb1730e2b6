"""Dead links of a site: to a page, a file or a place on a page that does not exist.

Other sites are not contacted: only the form of their addresses is checked.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from bs4 import BeautifulSoup

ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//")
FINE = re.compile(
    r"data:.*|https://([\w-]+\.)+[a-z]{2,}(/[^\s]*)?|http://127\.0\.0\.1(:\d+)?/?", re.DOTALL
)


def dead_links(site: Path) -> Iterator[str]:
    """A line for every dead link of a built site."""
    links, places = {}, {}
    for path in sorted(site.resolve().rglob("*.html")):
        page = BeautifulSoup(path.read_bytes(), "html.parser")
        tags = page.select("a[href], img[src], script[src]")
        links[path] = dict.fromkeys(tag.get("href") or tag["src"] for tag in tags)
        places[path] = {tag["id"] for tag in page.select("[id]")}
    for path in links:
        for link in links[path]:
            if why := fault(link, path, places):
                yield f"{path.relative_to(site.resolve())}: ERROR: dead link {link}: {why}"


def fault(link: str, path: Path, places: dict[Path, set[str]]) -> str:
    """What is wrong with a link on the page `path`; "" if nothing is."""
    if ELSEWHERE.match(link):
        return "" if FINE.fullmatch(link) else "no address that begins with https://"
    target, _, place = link.partition("#")
    file = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
    if not file.is_file():
        return "there is no such page"
    if place and file in places and unquote(place) not in places[file]:
        return f"there is no {place} on that page"
    return ""
