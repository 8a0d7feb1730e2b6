"""The site around the lesson: any server, light and dark, search, and folded parts."""

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from docs.browser import chromium

Open = Callable[..., Chrome]
PAGE = "pages/03-attention-in-four-steps"


def test_a_plain_file_server_will_do(driver: Chrome, site: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        chromium.show(driver, address)
        driver.find_element(By.LINK_TEXT, "3. Attention in four steps").click()
        assert driver.current_url == f"{address}{PAGE}.html"
        assert len(driver.find_elements(By.CSS_SELECTOR, ".three .unit.begins")) >= 3
        assert all(asked.startswith((address, "data:")) for asked in chromium.requests(driver))
        server.shutdown()


def test_the_lesson_is_read_from_page_to_page(open_page: Open, site: Path) -> None:
    driver = open_page("index")
    lessons = sorted(path.stem for path in (site / "pages").glob("*.html"))
    for lesson in lessons:
        driver.find_element(By.CSS_SELECTOR, "a.next-page").click()
        assert Path(driver.current_url).stem == lesson


def test_light_and_dark_can_be_chosen(open_page: Open) -> None:
    driver = open_page(PAGE)
    body = driver.find_element(By.TAG_NAME, "body")
    toggle = next(
        button
        for button in driver.find_elements(By.CSS_SELECTOR, "button.theme-toggle")
        if button.is_displayed()
    )
    assert "theme" in toggle.accessible_name.lower()
    colours = set()
    for _ in range(3):  # the setting of the system, light, dark
        toggle.click()
        colours.add(body.value_of_css_property("background-color"))
    assert len(colours) == 2


def test_an_answer_is_hidden_until_it_is_asked_for(open_page: Open) -> None:
    driver = open_page(PAGE)
    answer = driver.find_element(By.CSS_SELECTOR, ".question details")
    text = answer.find_element(By.TAG_NAME, "p")
    assert not text.is_displayed()
    answer.find_element(By.TAG_NAME, "summary").click()
    assert text.is_displayed()


def test_words_are_found_from_disk(open_page: Open) -> None:
    driver = open_page("index", width=1600)  # the sidebar is there at once
    field = next(field for field in driver.find_elements(By.NAME, "q") if field.is_displayed())
    field.send_keys("causal mask")
    field.submit()
    WebDriverWait(driver, 10).until(
        lambda _: driver.find_elements(By.CSS_SELECTOR, "#search-results li")
    )
    found = driver.find_element(By.ID, "search-results").text
    assert "Attention in four steps" in found


# The checks after every test


def test_messages_and_requests_off_the_machine_are_seen(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><title>p</title><script>nowhere()</script>"
        '<img src="https://example.org/a.png" alt="a">'
    )
    chromium.complaints(browser)
    chromium.requests(browser)
    browser.get(page.as_uri())
    assert chromium.off_this_machine(chromium.requests(browser)) == ["https://example.org/a.png"]
    said = "\n".join(chromium.complaints(browser))  # in either order
    assert "nowhere is not defined" in said
    assert "ERR_NAME_NOT_RESOLVED" in said


SHADES = """<!doctype html><title>p</title><body style="background: white">
<p style="color: black">black <b style="color: #777">grey</b></p>
<div style="background: rgb(0 0 0 / 50%)"><p style="color: rgb(255 255 255 / 50%)">veiled</p></div>
<p hidden style="color: white">unseen</p>
<svg><text y="20" fill="white">drawn</text></svg>
"""


def test_contrasts_are_those_that_others_have_worked_out(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(SHADES)
    chromium.show(browser, page.as_uri())
    found = {pair["text"]: pair["ratio"] for pair in chromium.contrasts(browser)}
    # #777 on white is the usual example of what just fails; half of white on half of black
    # is rgb(191 191 191) on rgb(127 127 127).
    assert found == pytest.approx(
        {"black": 21, "grey": 4.478, "veiled": 2.16, "drawn": 1}, abs=0.03
    )
