"""The site around the lesson: from page to page, search, and folded parts."""

from pathlib import Path

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from docs.browser import chromium
from docs.browser.figure import Open


def test_the_lesson_is_read_from_page_to_page(open_page: Open) -> None:
    driver = open_page("index")
    lessons = sorted(path.stem for path in (chromium.built_site() / "pages").glob("*.html"))
    for lesson in lessons:
        driver.find_element(By.CSS_SELECTOR, "a.next-page").click()
        assert Path(driver.current_url).stem == lesson


def test_words_are_found_from_disk(open_page: Open) -> None:
    driver = open_page("index", width=1600)  # the sidebar is there at once
    field = next(field for field in driver.find_elements(By.NAME, "q") if field.is_displayed())
    field.send_keys("causal mask")
    field.submit()
    results = (By.CSS_SELECTOR, "#search-results li")
    WebDriverWait(driver, 10).until(lambda _: driver.find_elements(*results))
    found = driver.find_element(By.ID, "search-results").text
    assert "Attention in four steps" in found


def test_a_page_is_shown_as_slides(open_page: Open) -> None:
    driver = open_page("pages/03-attention-in-four-steps", width=1280)
    headings = driver.find_elements(By.CSS_SELECTOR, "article h2")

    def shown() -> list[str]:
        every = driver.find_elements(By.CSS_SELECTOR, "article :is(h1, h2)")
        return [one.text.rstrip("¶#") for one in every if one.is_displayed()]

    driver.find_element(By.CLASS_NAME, "slides-begin").click()
    assert shown() == [driver.find_element(By.TAG_NAME, "h1").text.rstrip("¶#")]
    for i, heading in enumerate(headings, 2):
        ActionChains(driver).send_keys(Keys.ARROW_RIGHT).perform()
        assert shown() == [heading.text.rstrip("¶#")]
        assert f"{i} / {len(headings) + 1}" in driver.find_element(By.CLASS_NAME, "slides-bar").text
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 1280
    ActionChains(driver).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_LEFT).perform()
    assert shown() == [headings[-2].text.rstrip("¶#")]
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    assert len(shown()) == len(headings) + 1


def test_what_would_fail_a_test_is_seen(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><title>p</title><script>nowhere()</script><p style='color: #777'>grey</p>"
        '<img src="https://example.org/a.png" alt="a">'
    )
    chromium.complaints(browser)
    chromium.requests(browser)
    chromium.show(browser, page.as_uri())
    assert "https://example.org/a.png" in chromium.requests(browser)
    assert "nowhere is not defined" in "\n".join(chromium.complaints(browser))
    (grey,) = chromium.contrasts(browser)
    assert 4.4 < grey["ratio"] < 4.5, "#777 on white is the usual example of what just fails"
