"""The picture in README.md shows the current code. With --update-readme, it is taken here."""

import base64
from collections.abc import Callable

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By

from docs.browser import picture


@pytest.fixture
def columns(open_page: Callable[..., Chrome]) -> bytes:
    """The three columns of the built site, with the mouse on a line, at double resolution."""
    driver = open_page(picture.PAGE, width=1240, height=1000, scale=2.0)
    three = driver.find_element(
        By.XPATH,
        f"//div[contains(@class, 'three')][div[@aria-label='{picture.SHOWN} in three frameworks']]",
    )
    for backend, excerpt in picture.excerpts().items():
        shown = three.find_element(By.CSS_SELECTOR, f".backend-{backend} pre")
        text = shown.get_attribute("textContent") or ""
        code = [line.text.rstrip() for line in excerpt.lines]
        assert [line.rstrip() for line in text.splitlines()] == code, (
            "the site is older than the code: build it with nox -s docs"
        )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", three)
    line = three.find_element(By.XPATH, ".//span[contains(@class, 'unit')][contains(., 'top = ')]")
    ActionChains(driver).move_to_element(line).perform()
    assert len(three.find_elements(By.CSS_SELECTOR, ".unit.here")) == 1
    shot: str = three.screenshot_as_base64
    return base64.b64decode(shot)


def test_the_picture_is_of_the_code_as_it_is(
    columns: bytes, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--update-readme"):
        picture.save(columns)
    assert picture.fingerprint_of() == picture.fingerprint(picture.excerpts()), (
        "the picture in README.md shows code that has changed: nox -s browser -- --update-readme"
    )
