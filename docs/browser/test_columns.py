"""The three columns: aligned and linked if there is room, otherwise tabs."""

from collections.abc import Callable

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

Open = Callable[..., Chrome]

PAGE = "pages/06-mlp"
LESSONS = [PAGE, "pages/03-attention-in-four-steps", "pages/10-backward-by-hand"]
BACKENDS = ["NumPy", "PyTorch", "JAX"]


def first_three(driver: Chrome) -> WebElement:
    """The first three columns of the page."""
    return driver.find_element(By.CSS_SELECTOR, ".three:has(.unit)")


def units(three: WebElement) -> list[WebElement]:
    return three.find_elements(By.CSS_SELECTOR, ".unit")


def marked(three: WebElement, mark: str) -> list[WebElement]:
    return [unit for unit in units(three) if mark in (unit.get_attribute("class") or "").split()]


def backend_of(unit: WebElement) -> str:
    pane = unit.find_element(By.XPATH, "ancestor::section[contains(@class, 'pane')]")
    return pane.get_attribute("data-backend") or ""


def rows(unit: WebElement) -> set[str]:
    return set((unit.get_attribute("data-links") or "").split())


def counterparts(three: WebElement, unit: WebElement) -> list[WebElement]:
    """The lines of the other backends that share a row with this one."""
    own = backend_of(unit)
    return [it for it in units(three) if rows(it) & rows(unit) and backend_of(it) != own]


def shown_backend(three: WebElement) -> list[str]:
    panes = three.find_elements(By.CSS_SELECTOR, ".pane")
    return [pane.get_attribute("data-backend") or "" for pane in panes if pane.is_displayed()]


@pytest.mark.parametrize("name", LESSONS)
def test_corresponding_lines_stand_at_one_height(open_page: Open, name: str) -> None:
    driver = open_page(name, width=1440)
    assert shown_backend(first_three(driver)) == BACKENDS
    tops = driver.execute_script(
        """return [...document.querySelectorAll(".three:has(.unit)")].map((three) =>
             [...three.querySelectorAll(".unit")].map((unit) =>
               [unit.style.getPropertyValue("--row"), unit.getBoundingClientRect().top]))"""
    )
    lined_up = 0
    for three in tops:
        heights: dict[str, set[int]] = {}
        for row, top in three:
            heights.setdefault(row, set()).add(round(top))
        assert all(len(found) == 1 for found in heights.values())
        lined_up += len(three) - len(heights)
    assert lined_up > 5


def test_pointing_at_a_line_lights_its_counterparts_and_nothing_else(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    three = first_three(driver)
    lit = 0
    for unit in units(three):
        ActionChains(driver).move_to_element(unit).perform()
        assert marked(three, "here") == [unit]
        assert marked(three, "there") == counterparts(three, unit)
        lit += len(counterparts(three, unit))
    assert lit > 5
    ActionChains(driver).move_to_element(driver.find_element(By.TAG_NAME, "h1")).perform()
    assert not marked(three, "here")
    assert not marked(three, "there")


def test_a_line_that_is_lit_looks_different(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    unit = units(first_three(driver))[0]
    before = unit.value_of_css_property("background-color")
    ActionChains(driver).move_to_element(unit).perform()
    assert unit.value_of_css_property("background-color") != before


def test_the_arrow_keys_go_from_line_to_line_and_are_read_out(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    three = first_three(driver)
    lines = [unit for unit in units(three) if backend_of(unit) == "NumPy"]
    copy = three.find_element(By.CSS_SELECTOR, ".backend-numpy .copy")
    driver.execute_script("arguments[0].focus()", copy)
    keys = ActionChains(driver)
    keys.send_keys(Keys.TAB).perform()
    assert marked(three, "here") == [lines[0]]
    for expected in (lines[1], lines[2]):
        ActionChains(driver).send_keys(Keys.ARROW_DOWN).perform()
        assert marked(three, "here") == [expected]
        spoken = three.find_element(By.CSS_SELECTOR, ".three-counterparts[aria-live=polite]")
        said = spoken.get_attribute("textContent") or ""
        for other in counterparts(three, expected):
            text = (other.get_attribute("textContent") or "").strip()
            assert f"{backend_of(other)}: {text}" in said
    ActionChains(driver).send_keys(Keys.ARROW_UP).perform()
    assert marked(three, "here") == [lines[1]]


def test_on_a_phone_the_columns_are_tabs_to_click(open_page: Open) -> None:
    three = first_three(open_page(PAGE, width=390))
    tabs = three.find_elements(By.CSS_SELECTOR, "[role=tab]")
    assert [tab.text for tab in tabs] == BACKENDS
    assert shown_backend(three) == ["NumPy"]
    for tab in reversed(tabs):
        tab.click()
        assert shown_backend(three) == [tab.text]
        selected = [other.get_attribute("aria-selected") for other in tabs]
        assert selected == [str(other == tab).lower() for other in tabs]
        panel = three.find_element(By.ID, tab.get_attribute("aria-controls") or "")
        assert panel.get_attribute("role") == "tabpanel"
        assert panel.is_displayed()


def test_tabs_by_keyboard(open_page: Open) -> None:
    driver = open_page(PAGE, width=390)
    three = first_three(driver)
    tabs = three.find_elements(By.CSS_SELECTOR, "[role=tab]")
    driver.execute_script("arguments[0].focus()", tabs[0])
    for key, name in [
        (Keys.ARROW_RIGHT, "PyTorch"),
        (Keys.ARROW_RIGHT, "JAX"),
        (Keys.ARROW_RIGHT, "NumPy"),  # around, in both directions
        (Keys.ARROW_LEFT, "JAX"),
        (Keys.HOME, "NumPy"),
        (Keys.END, "JAX"),
    ]:
        driver.switch_to.active_element.send_keys(key)
        assert driver.switch_to.active_element.text == name
        assert shown_backend(three) == [name]
    # One tab stop for all tabs: the next is in the visible pane.
    driver.switch_to.active_element.send_keys(Keys.TAB)
    focused = driver.switch_to.active_element
    assert backend_of(focused) == "JAX"


def test_on_a_phone_a_tapped_line_has_its_counterparts_below(open_page: Open) -> None:
    three = first_three(open_page(PAGE, width=390))
    shown = [unit for unit in units(three) if backend_of(unit) == "NumPy"]
    unit = next(unit for unit in shown if counterparts(three, unit))
    unit.click()
    below = three.find_element(By.CSS_SELECTOR, ".three-counterparts")
    assert below.is_displayed()
    for other in counterparts(three, unit):
        assert f"{backend_of(other)}: " in below.text


def test_a_window_made_narrow_turns_columns_into_tabs_and_back(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    three = first_three(driver)
    for width, backends in [(820, ["NumPy"]), (1440, BACKENDS)]:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        assert driver.execute_script("return innerWidth") == width
        assert shown_backend(three) == backends


def test_code_is_copied_as_it_stands_in_the_file(open_page: Open) -> None:
    driver = open_page(PAGE, width=1440)
    allow = {"permission": {"name": "clipboard-write"}, "setting": "granted"}
    driver.execute_cdp_cmd("Browser.setPermission", allow)
    driver.execute_script(
        "Object.defineProperty(navigator, 'clipboard', "
        "{ value: { writeText: async (text) => { window.copied = text; } } })"
    )
    pane = first_three(driver).find_element(By.CSS_SELECTOR, ".backend-torch")
    pane.find_element(By.CSS_SELECTOR, ".copy").click()
    copied = driver.execute_script("return window.copied")
    assert copied == pane.find_element(By.TAG_NAME, "pre").get_attribute("textContent")
    assert "return self.c_proj(x)" in copied
