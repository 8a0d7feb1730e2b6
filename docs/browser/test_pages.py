"""Every page: small, complete at any width, usable without a mouse, legible, also on paper."""

import base64
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from docs.browser.chromium import contrasts, emulate, photograph, requests, script
from docs.browser.figure import Open
from shared.sources import ROOT

SCREENSHOTS = ROOT / "build" / "screenshots"
PHONE, TABLET, DESKTOP = 390, 820, 1280
A4 = 794
"""Its width in CSS pixels."""

LARGEST = 1_500_000
"""Bytes of a page, including everything that it loads."""
CONTRAST = 4.5
"""WCAG 2.1, 1.4.3 (level AA)."""

NAMED = {
    *("button", "checkbox", "combobox", "image", "img", "link", "menuitem", "meter", "radio"),
    *("searchbox", "slider", "spinbutton", "switch", "tab", "tablist", "textbox"),
}
"""Roles whose elements need a name for a screen reader; mathematics is read from its content."""


def test_a_page_is_small_and_its_headings_leave_no_gap(page: str, open_page: Open) -> None:
    driver = open_page(page)
    files = {Path(address[7:].partition("?")[0]) for address in requests(driver)}
    files = {file for file in files if file.is_absolute() and file.is_file()}
    assert {".html", ".css"} <= {file.suffix for file in files}
    assert sum(file.stat().st_size for file in files) < LARGEST
    assert driver.find_element(By.CSS_SELECTOR, "article h1").is_displayed()
    headings = driver.find_elements(By.CSS_SELECTOR, "article :is(h1, h2, h3, h4, h5, h6)")
    levels = [int(heading.tag_name[1]) for heading in headings]
    assert levels[0] == 1
    assert all(1 < below <= above + 1 for above, below in pairwise(levels))


@pytest.mark.parametrize("width", [PHONE, TABLET, DESKTOP])
def test_nothing_sticks_out_and_a_screen_reader_finds_a_name_for_everything(
    page: str, open_page: Open, width: int
) -> None:
    driver = open_page(page, width=width)
    assert driver.execute_script("return document.documentElement.clientWidth") == width
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script(script("outside")) == []
    assert driver.execute_script(script("pictures_without_words")) == []
    tree = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen = [node for node in tree if not node["ignored"] and node["role"]["value"] in NAMED]
    assert seen
    assert [node for node in seen if not node.get("name", {}).get("value", "").strip()] == []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    photograph(driver, SCREENSHOTS / f"{Path(page).name}-{width}.png")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_told_from_what_is_behind_it(page: str, open_page: Open, dark: bool) -> None:
    driver = open_page(page, dark=dark)
    # Folded parts are text, too.
    driver.execute_script("document.querySelectorAll('details').forEach((one) => one.open = true)")
    behind = driver.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert (behind == "rgba(255, 255, 255, 1)") != dark
    plain = contrasts(driver)
    assert len(plain) > 3
    light = "document.querySelectorAll('.unit').forEach((unit) => unit.classList.add('here'))"
    driver.execute_script(light)
    lit = contrasts(driver)
    assert [pair for pair in plain + lit if pair["ratio"] < CONTRAST] == []


def test_on_paper_all_of_the_code_is_there_and_no_buttons(page: str, open_page: Open) -> None:
    driver = open_page(page, width=A4, dark=True)
    emulate(driver, {}, "print")
    # An interactive figure shows one state of many, also on paper.
    shown = driver.find_elements(By.CSS_SELECTOR, ".pane pre:not([data-play] *)")
    assert shown or not page.startswith("pages/")
    assert all(code.is_displayed() for code in shown)
    for gone in (".sidebar-drawer", ".mobile-header", ".three-tabs", ".copy"):
        assert not any(one.is_displayed() for one in driver.find_elements(By.CSS_SELECTOR, gone))
    assert driver.execute_script("return document.documentElement.scrollWidth") <= A4
    paper = driver.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert paper == "rgba(255, 255, 255, 1)"
    assert base64.b64decode(driver.print_page()).startswith(b"%PDF-")
