"""The three columns: aligned and linked if there is room, otherwise tabs."""

import base64

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from docs.browser import picture
from docs.browser.chromium import script
from docs.browser.figure import Open, point_at, press, text_of
from docs.extensions.directive import BACKENDS

PAGE = "pages/06-mlp"
LESSONS = [PAGE, "pages/03-attention-in-four-steps", "pages/10-backward-by-hand"]
NAMES = list(BACKENDS.values())
SHOWN = """const copy = arguments[0].cloneNode(true);
copy.querySelectorAll(".aside").forEach((hidden) => hidden.remove()); return copy.textContent"""


def first_three(driver: Chrome) -> WebElement:
    return driver.find_element(By.CSS_SELECTOR, ".three:has(.unit)")


def units(three: WebElement, within: str = "") -> list[WebElement]:
    """The statements, or those in a part of the columns."""
    return three.find_elements(By.CSS_SELECTOR, f"{within} .unit")


def backend_of(unit: WebElement) -> str:
    pane = unit.find_element(By.XPATH, "ancestor::section[contains(@class, 'pane')]")
    return pane.get_attribute("data-backend")


def rows(unit: WebElement) -> set[str]:
    return set(unit.get_attribute("data-links").split())


def counterparts(three: WebElement, unit: WebElement) -> list[WebElement]:
    """The lines of the other backends that share a row with this one."""
    own = backend_of(unit)
    return [it for it in units(three) if rows(it) & rows(unit) and backend_of(it) != own]


def expect_told(three: WebElement, unit: WebElement) -> None:
    """Check that the counterparts are read out, and shown below the columns."""
    told = text_of(three.find_element(By.CSS_SELECTOR, ".three-counterparts[aria-live=polite]"))
    for it in counterparts(three, unit):
        code = it.parent.execute_script(SHOWN, it).strip()
        assert f"{backend_of(it)}: {code}" in told


def shown_backends(three: WebElement) -> list[str]:
    panes = three.find_elements(By.CSS_SELECTOR, ".pane")
    return [pane.get_attribute("data-backend") for pane in panes if pane.is_displayed()]


@pytest.mark.parametrize("name", LESSONS)
def test_corresponding_lines_stand_at_one_height(open_page: Open, name: str) -> None:
    driver = open_page(name, width=1440)
    assert shown_backends(first_three(driver)) == NAMES
    tops = driver.execute_script(script("rows_and_tops"))
    lined_up = 0
    for three in tops:
        heights: dict[str, set[int]] = {}
        for row, top in three:
            heights.setdefault(row, set()).add(round(top))
        assert all(len(found) == 1 for found in heights.values())
        lined_up += len(three) - len(heights)
    assert lined_up > 5


@pytest.mark.parametrize("width", [1100, 1440])
def test_pointing_at_a_line_lights_its_counterparts_and_nothing_else(
    open_page: Open, width: int
) -> None:
    driver = open_page(PAGE, width=width)
    three = first_three(driver)
    lit = 0
    for unit in units(three):
        before = unit.size, unit.value_of_css_property("margin")
        point_at(driver, unit)
        assert (unit.size, unit.value_of_css_property("margin")) == before, "no line moves"
        assert three.find_elements(By.CSS_SELECTOR, ".here") == [unit]
        assert three.find_elements(By.CSS_SELECTOR, ".there") == counterparts(three, unit)
        lit += len(counterparts(three, unit))
    assert lit > 5
    point_at(driver, driver.find_element(By.TAG_NAME, "h1"))
    assert not three.find_elements(By.CSS_SELECTOR, ".here, .there")


def test_types_and_taps_are_shown_on_request_and_remembered(open_page: Open) -> None:
    for page, at_first in (("pages/04-heads", True), ("pages/08-the-gpt", False)):
        driver = open_page(page, width=1440)
        button = driver.find_element(By.CSS_SELECTOR, "button.plainly")
        for hidden in (at_first, not at_first):
            if hidden != at_first:
                button.click()
            shown = "".join(it.text for it in driver.find_elements(By.CSS_SELECTOR, ".pane pre"))
            assert (" cache=None" in shown) == hidden
            for code in (" -> Float[np.ndarray, ", "KVCache", 'self.tap("'):
                assert (code in shown) != hidden, code
            assert button.text == f"{'Show' if hidden else 'Hide'} types and taps"


def test_the_arrow_keys_go_from_line_to_line_and_are_read_out(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    three = first_three(driver)
    lines = units(three, ".backend-numpy")
    copy = three.find_element(By.CSS_SELECTOR, ".backend-numpy .copy")
    driver.execute_script("arguments[0].focus()", copy)
    for key, line in [
        (Keys.TAB, lines[0]),
        (Keys.ARROW_DOWN, lines[1]),
        (Keys.ARROW_DOWN, lines[2]),
        (Keys.ARROW_UP, lines[1]),
    ]:
        press(driver, key)
        assert three.find_elements(By.CSS_SELECTOR, ".here") == [line]
        expect_told(three, line)


def test_on_a_phone_the_columns_are_tabs_to_click(open_page: Open) -> None:
    three = first_three(open_page(PAGE, width=390))
    tabs = three.find_elements(By.CSS_SELECTOR, "[role=tab]")
    assert [tab.text for tab in tabs] == NAMES
    assert shown_backends(three) == ["NumPy"]
    for tab in reversed(tabs):
        tab.click()
        assert shown_backends(three) == [tab.text]
        assert three.find_elements(By.CSS_SELECTOR, "[aria-selected=true]") == [tab]
        assert len(three.find_elements(By.CSS_SELECTOR, "[aria-selected=false]")) == 2
        panel = three.find_element(By.ID, tab.get_attribute("aria-controls"))
        assert panel.get_attribute("role") == "tabpanel"
        assert panel.is_displayed()
    # A tapped line has its counterparts below.
    tabs[0].click()
    unit = next(unit for unit in units(three, ".backend-numpy") if counterparts(three, unit))
    unit.click()
    assert three.find_element(By.CSS_SELECTOR, ".three-counterparts").is_displayed()
    expect_told(three, unit)


def test_tabs_by_keyboard(open_page: Open) -> None:
    driver = open_page(PAGE, width=390)
    three = first_three(driver)
    tab = three.find_element(By.CSS_SELECTOR, "[role=tab]")
    driver.execute_script("arguments[0].focus()", tab)
    for key, name in [
        (Keys.ARROW_RIGHT, "PyTorch"),
        (Keys.ARROW_RIGHT, "JAX"),
        (Keys.ARROW_RIGHT, "NumPy"),  # around, in both directions
        (Keys.ARROW_LEFT, "JAX"),
        (Keys.HOME, "NumPy"),
        (Keys.END, "JAX"),
    ]:
        press(driver, key)
        assert driver.switch_to.active_element.text == name
        assert shown_backends(three) == [name]
    # One tab stop for all tabs: the next is in the visible pane.
    press(driver, Keys.TAB)
    assert backend_of(driver.switch_to.active_element) == "JAX"


def test_code_is_copied_as_it_stands_in_the_file(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    driver.execute_script(
        "Object.defineProperty(navigator, 'clipboard', "
        "{ value: { writeText: async (text) => { window.copied = text; } } })"
    )
    pane = first_three(driver).find_element(By.CSS_SELECTOR, ".backend-torch")
    pane.find_element(By.CSS_SELECTOR, ".copy").click()
    copied = driver.execute_script("return window.copied")
    assert copied == text_of(pane.find_element(By.TAG_NAME, "pre"))
    assert "return self.dropout(self.c_proj(x))" in copied


def test_the_picture_is_of_the_code_as_it_is(open_page: Open, request) -> None:
    """The picture in README.md, which --update-readme takes here: the mouse is on a line."""
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
