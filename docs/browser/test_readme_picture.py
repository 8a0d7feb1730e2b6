"""The picture in README.md shows the current code. With --update-readme, it is taken here."""

import base64
from collections.abc import Callable

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from docs.browser import picture
from docs.browser.figure import point_at


def test_the_picture_is_of_the_code_as_it_is(
    open_page: Callable[..., Chrome], request: pytest.FixtureRequest
) -> None:
    """The three columns of the built site, with the mouse on a line, at double resolution."""
    driver = open_page(picture.PAGE, width=1240, height=1000, scale=2.0)
    three = driver.find_element(
        By.CSS_SELECTOR, f".three:has([aria-label='{picture.SHOWN} in three frameworks'])"
    )
    point_at(driver, three)
    point_at(driver, three.find_element(By.XPATH, ".//span[contains(., 'top = ')]"))
    assert len(three.find_elements(By.CSS_SELECTOR, ".unit.here")) == 1
    if request.config.getoption("--update-readme"):
        picture.save(base64.b64decode(three.screenshot_as_base64))
    assert picture.fingerprint_in_picture() == picture.fingerprint()
