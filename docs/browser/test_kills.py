"""The kill matrix shows the report of the mutants, by mouse and by keyboard."""

from collections.abc import Callable

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from audits.mutants.catalogue import CATALOGUE
from audits.mutants.judging import Verdict
from audits.mutants.report import read_report

PAGE = "pages/14-numerical-agreement"
BACKENDS = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}


class Matrix:
    """The table on an open page, and the report behind it."""

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver
        found = driver.find_elements(By.CSS_SELECTOR, '[data-play="kills"]')
        if not found:
            pytest.skip("the site was built without a report of the mutants")
        (self.place,) = found
        self.rows = self.place.find_elements(By.CSS_SELECTOR, "tbody tr[data-story]")
        report = read_report()
        verdicts = report.verdicts if report is not None else []
        self.verdicts = {(v.mutant, v.backend): v for v in verdicts}
        self.checks = sorted({check for v in verdicts for check in (*v.fallen, *v.passed)})

    def row(self, mutant: str) -> WebElement:
        return self.rows[list(CATALOGUE).index(mutant)]

    def expect(self, mutant: str) -> None:
        """Check that this bug is described below the table."""
        about = self.place.find_element(By.CSS_SELECTOR, ".about")
        assert about.text.startswith(f"{mutant} {CATALOGUE[mutant].story}.")
        for backend, name in BACKENDS.items():
            said = about.find_element(By.CSS_SELECTOR, f"[data-backend={backend}]").text
            verdict = self.verdicts.get((mutant, backend))
            if verdict is None:
                assert said == f"{name}: has no such bug, or it was not judged."
                continue
            total = len(verdict.fallen) + len(verdict.passed)
            count, _, listed = said.removesuffix(".").partition(". ")
            assert count == f"{name}: {len(verdict.fallen)} of {total} checks fell"
            assert listed == in_words(verdict)


def in_words(verdict: Verdict) -> str:
    """forward: logits, taps; loss: loss"""
    chapters: dict[str, list[str]] = {}
    for check in sorted(verdict.fallen):
        chapter, name = in_parts(check)
        chapters.setdefault(chapter, []).append(name)
    return "; ".join(f"{chapter}: {', '.join(names)}" for chapter, names in chapters.items())


def in_parts(check: str) -> tuple[str, str]:
    """forward and taps, of test_forward.py::test_taps"""
    file, _, name = check.replace("_", " ").partition("::")
    return file.removeprefix("test ").removesuffix(".py"), name.removeprefix("test ")


@pytest.fixture
def matrix(open_page: Callable[..., WebDriver]) -> Matrix:
    return Matrix(open_page(PAGE))


def test_the_cells_are_those_of_the_report(matrix: Matrix) -> None:
    script = """
    return [...arguments[0].querySelectorAll("tbody tr[data-story]")].map(
        (row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent))
    """
    shown = matrix.driver.execute_script(script, matrix.place)
    assert len(shown) == len(CATALOGUE)
    for mutant, cells in zip(CATALOGUE, shown, strict=True):
        for check, cell in zip(matrix.checks, cells, strict=True):
            killed = [
                name[0]
                for backend, name in BACKENDS.items()
                if (verdict := matrix.verdicts.get((mutant, backend))) and check in verdict.fallen
            ]
            assert cell.strip("·") == "".join(killed), f"{mutant}, {check}"


def test_a_row_is_told_of_when_it_is_pointed_at(matrix: Matrix) -> None:
    for mutant in ("swap_qk", "layer_norm_eps", "gradients_pile_up"):
        row = matrix.row(mutant)
        cell = row.find_elements(By.TAG_NAME, "td")[3]
        matrix.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
        ActionChains(matrix.driver).move_to_element(cell).perform()
        matrix.expect(mutant)
        assert "here" in (row.get_attribute("class") or "").split()
        about = matrix.place.find_element(By.CSS_SELECTOR, ".about .check").text
        assert about.startswith(f"{', '.join(in_parts(matrix.checks[3]))}: "), "what is pointed at"


def test_the_arrow_keys_go_from_row_to_row(matrix: Matrix) -> None:
    def press(*keys: str) -> None:
        ActionChains(matrix.driver).send_keys(*keys).perform()

    names = list(CATALOGUE)
    box = matrix.place.find_element(By.CSS_SELECTOR, ".box")
    matrix.driver.execute_script("arguments[0].focus()", box)
    press(Keys.TAB)
    matrix.expect(names[0])
    press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    matrix.expect(names[2])
    press(Keys.ARROW_UP)
    matrix.expect(names[1])
    press(Keys.END)
    matrix.expect(names[-1])
    press(Keys.ARROW_DOWN)
    matrix.expect(names[-1])
    press(Keys.HOME)
    matrix.expect(names[0])
    press(Keys.TAB)  # all rows are one tab stop
    focused = matrix.driver.switch_to.active_element
    assert not focused.find_elements(By.XPATH, "ancestor::table")


def test_it_scrolls_inside_of_its_own_box_on_a_phone(open_page: Callable[..., WebDriver]) -> None:
    matrix = Matrix(open_page(PAGE, width=390))
    box = matrix.place.find_element(By.CSS_SELECTOR, ".box")
    script = "return [arguments[0].scrollWidth, arguments[0].clientWidth]"
    inside, seen = matrix.driver.execute_script(script, box)
    assert inside > 2 * seen
    inside, seen = matrix.driver.execute_script(
        script, matrix.driver.find_element(By.TAG_NAME, "html")
    )
    assert inside <= seen
    matrix.driver.execute_script("arguments[0].scrollLeft = 400", box)
    name = matrix.row("swap_qk").find_element(By.TAG_NAME, "th")
    assert abs(name.rect["x"] - box.rect["x"]) < 3, "the names stay"
