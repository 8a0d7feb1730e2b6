"""The browser, the site, and checks after every test: no console errors, no outside requests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome

from docs.browser import chromium
from shared.errors import UserError

FORGET = "if (location.protocol !== 'about:') localStorage.clear()"
"""Otherwise the choice between light and dark is remembered."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-readme",
        action="store_true",
        help="take docs/three-columns.png again, the picture in README.md",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Report what is missing once, instead of in every test."""
    try:
        chromium.check_what_is_needed()
    except UserError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `page` for every page of the site."""
    if "page" in metafunc.fixturenames:
        site = chromium.built_site()
        pages = [page.relative_to(site).with_suffix("").as_posix() for page in site.rglob("*.html")]
        metafunc.parametrize("page", sorted(page for page in pages if not page.startswith("_")))


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """One Chromium for all tests: starting it takes longer than most of them."""
    driver = chromium.start()
    yield driver
    driver.quit()


@pytest.fixture
def driver(browser: Chrome) -> Iterator[Chrome]:
    """The browser. Errors and warnings in the console, and requests to others, fail the test."""
    browser.get("about:blank")
    chromium.complaints(browser)  # discard those of the test before
    chromium.requests(browser)
    yield browser
    browser.execute_script(FORGET)
    chromium.emulate(browser, {})
    assert not chromium.complaints(browser)
    assert all(asked.startswith(chromium.HERE) for asked in chromium.requests(browser))


@pytest.fixture
def open_page(driver: Chrome) -> Callable[..., Chrome]:
    """open_page("pages/02-bigram", width=390, height=900, dark=True): from disk."""

    def opened(name: str, **window: Any) -> Chrome:
        file = chromium.built_site() / f"{name}.html"
        assert file.is_file(), f"the site has no page {name}"
        chromium.show(driver, file.as_uri(), **window)
        return driver

    return opened
