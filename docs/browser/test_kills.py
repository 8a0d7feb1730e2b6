"""The kill matrix shows the report of the mutants, by mouse and by keyboard."""

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from audits.mutants.catalogue import CATALOGUE
from audits.mutants.report import Verdict, read_report
from docs.browser.figure import Figure, Open, point_at
from docs.extensions.directive import BACKENDS
from docs.extensions.proofs.kills import chapter_of, title_of

PAGE = "pages/14-numerical-agreement"


class Matrix(Figure):
    name = "kills"

    def __init__(self, driver: Chrome) -> None:
        super().__init__(driver)
        self.rows = self.all("tbody tr[data-story]")

    def numbers(self) -> dict[tuple[str, str], Verdict]:
        return {(v.mutant, v.backend): v for v in read_report().verdicts}

    def row(self, mutant: str) -> WebElement:
        return self.rows[list(CATALOGUE).index(mutant)]

    def expect(self, mutant: str) -> None:
        """Check that this bug is described below the table."""
        about = self.find(".about")
        assert about.text.startswith(f"{mutant} {CATALOGUE[mutant].story}.")
        for backend, name in BACKENDS.items():
            said = about.find_element(By.CSS_SELECTOR, f"[data-backend={backend}]").text
            if (verdict := self.data.get((mutant, backend))) is None:
                assert said == f"{name}: has no such bug, or it was not judged."
                continue
            total = len(verdict.fallen) + len(verdict.passed)
            assert said.startswith(f"{name}: {len(verdict.fallen)} of {total} checks fell")
            for check in verdict.fallen:
                assert chapter_of(check) in said
                assert title_of(check) in said


@pytest.fixture
def matrix(open_page: Open) -> Matrix:
    return Matrix(open_page(PAGE))


def test_a_row_is_told_of_when_it_is_pointed_at(matrix: Matrix) -> None:
    for mutant in ("swap_qk", "layer_norm_eps", "gradients_pile_up"):
        row = matrix.row(mutant)
        point_at(matrix.driver, row.find_elements(By.TAG_NAME, "td")[3])
        matrix.expect(mutant)
        assert "here" in row.get_attribute("class").split()
        head = matrix.all("thead th[scope=col]")[3].get_attribute("title")
        assert f", {head}: " in matrix.find(".about .check").text, "what is pointed at"


def test_the_arrow_keys_go_from_row_to_row(matrix: Matrix) -> None:
    names = list(CATALOGUE)
    matrix.press(start=".box")
    for keys, row in [
        ([Keys.TAB], 0),
        ([Keys.ARROW_DOWN, Keys.ARROW_DOWN], 2),
        ([Keys.ARROW_UP], 1),
        ([Keys.END], -1),
        ([Keys.ARROW_DOWN], -1),
        ([Keys.HOME], 0),
    ]:
        matrix.press(*keys)
        matrix.expect(names[row])
    matrix.press(Keys.TAB)  # all rows are one tab stop
    assert not matrix.all("table :focus")


def test_it_scrolls_inside_of_its_own_box_on_a_phone(open_page: Open) -> None:
    matrix = Matrix(open_page(PAGE, width=390))
    box = matrix.find(".box")
    assert matrix.run("return arguments[0].scrollWidth / arguments[0].clientWidth", box) > 2
    matrix.run("arguments[0].scrollLeft = 400", box)
    name = matrix.row("swap_qk").find_element(By.TAG_NAME, "th")
    assert abs(name.rect["x"] - box.rect["x"]) < 3, "the names stay"
