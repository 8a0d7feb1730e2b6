"""The trace page shows its numbers, for every value of the model."""

from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from docs.browser.chromium import script
from docs.browser.figure import Figure, Open, point_at, text_of


class Trace(Figure):
    name = "trace"

    def __init__(self, driver: Chrome) -> None:
        super().__init__(driver)
        self.taps = self.data["taps"]

    def choose(self, tap: str) -> None:
        self.click(f'[data-tap="{tap}"]')

    def chosen(self) -> list[str]:
        return [button.get_attribute("data-tap") for button in self.all('[aria-pressed="true"]')]

    def values(self, tap: str, backend: str) -> list[float]:
        found = self.taps[tap]["values"]
        return found[found[backend]] if isinstance(found[backend], str) else found[backend]

    def expect(self, tap: str, backend: str = "numpy") -> None:
        """Check that this value is shown: in words, as a picture, and by backend."""
        expected = self.taps[tap]
        assert self.chosen() == [tap]
        said = self.find(".said").text
        assert said.startswith(f"{tap} [{', '.join(expected['letters'])}] = {expected['shape']}")
        assert expected["sentence"] in said
        self.expect_table(expected["backends"])
        self.expect_picture(expected, self.values(tap, backend))
        shown = [code for code in self.all(".lines") if code.is_displayed()]
        assert [code.get_attribute("data-kind") for code in shown] == [expected["kind"]]

    def expect_table(self, backends: dict[str, Any]) -> None:
        *measured, here = self.all("tbody tr")
        cells = [float(text_of(cell)) for cell in here.find_elements(By.TAG_NAME, "td")[:3]]
        expected = [backends["numpy"][key] for key in ("min", "max", "mean")]
        assert cells == pytest.approx(expected, rel=1e-12, abs=1e-14), "computed by this browser"
        for row in measured:
            numbers = backends[row.get_attribute("data-backend")]
            cells = [text_of(cell) for cell in row.find_elements(By.TAG_NAME, "td")]
            shown = [float(cell.split()[0]) for cell in cells]
            expected = [numbers["min"], numbers["max"], numbers["mean"]]
            assert shown == [*expected, numbers["apart"]["largest"]]
        worst = max(numbers["apart"]["largest"] for numbers in backends.values())
        assert float(self.find(".apart").get_attribute("data-largest")) == worst

    def expect_picture(self, tap: dict[str, Any], values: list[float]) -> None:
        canvases = self.all("canvas")
        assert len(canvases) == (self.data["config"]["n_head"] if "H" in tap["letters"] else 1)
        shares = tap["kind"] in ("attn.weights", "probs")
        largest = 1 if shares else max(map(abs, values)) or 1
        drawn: list[int] = []
        for canvas in canvases:
            size = [canvas.get_property(key) for key in ("height", "width")]
            assert size == tap["shape"][-2:]
            drawn += self.run(script("pixels"), canvas)
        assert len(drawn) == 4 * len(values)
        for i, value in enumerate(values):
            red, _, blue, alpha = drawn[4 * i : 4 * i + 4]
            assert alpha == pytest.approx(255 * abs(value) / largest, abs=1)
            if alpha > 20:
                assert (red > blue) == (value > 0), "orange above 0, blue below"


@pytest.fixture
def trace(open_page: Open) -> Trace:
    return Trace(open_page("trace"))


def test_every_value_of_the_model_is_a_button_that_shows_it(trace: Trace) -> None:
    buttons = [button.get_attribute("data-tap") for button in trace.all(".architecture button")]
    assert buttons == list(trace.taps)
    trace.expect("embed")
    for tap in trace.taps:
        trace.choose(tap)
        trace.expect(tap)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_picture_is_that_of_the_chosen_backend(trace: Trace, backend: str) -> None:
    trace.select(backend=backend)
    for tap in ("h.0.attn.q", "h.1.mlp.act", "logits"):
        trace.choose(tap)
        trace.expect(tap, backend)
        assert trace.find(".picture").get_attribute("data-backend") == backend


def test_the_picture_can_be_read_with_the_mouse(trace: Trace) -> None:
    trace.choose("h.0.attn.weights")
    canvas = trace.all("canvas")[2]
    rows, columns = trace.taps["h.0.attn.weights"]["shape"][-2:]
    row, column = 7, 6
    x = round(canvas.size["width"] * ((column + 0.5) / columns - 0.5))
    y = round(canvas.size["height"] * ((row + 0.5) / rows - 0.5))
    point_at(trace.driver, canvas, x, y)
    value = trace.values("h.0.attn.weights", "numpy")[(2 * rows + row) * columns + column]
    cell = trace.find(".cell")
    assert float(cell.get_attribute("data-value")) == value
    tokens = trace.data["tokens"]
    assert cell.text.startswith(
        f"head 2, position {row}, “{tokens[row]}”, looks at “{tokens[column]}” ({column})"
    )


def test_everything_can_be_done_with_the_keyboard(trace: Trace) -> None:
    names = list(trace.taps)
    trace.press(start='[data-tap="embed"]')
    for keys, tap in [
        ([Keys.ARROW_DOWN, Keys.ARROW_DOWN], 2),
        ([Keys.END], -1),
        ([Keys.ARROW_DOWN], -1),
        ([Keys.HOME, Keys.ARROW_UP], 0),
        # All values are one tab stop; then the text, the bugs, and "next": "before" is disabled.
        ([Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER], 1),
    ]:
        trace.press(*keys)
        assert trace.chosen() == [names[tap]]
    trace.expect(names[1])
    trace.press(Keys.TAB, Keys.TAB, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    columns = trace.taps[names[1]]["shape"][-1]
    cell = trace.find(".cell")
    shown = float(cell.get_attribute("data-value"))
    assert shown == trace.values(names[1], "numpy")[columns + 2]
    assert "position 1, " in cell.text
    assert "channel 2: " in cell.text


def test_on_a_phone_the_diagram_and_what_is_chosen_fit(open_page: Open) -> None:
    trace = Trace(open_page("trace", width=390, height=800))
    whole = trace.find(".whole")
    assert whole.size["height"] < 400
    trace.choose("probs")
    trace.expect("probs")
    button, box = trace.find('[data-tap="probs"]').rect, whole.rect
    assert box["y"] <= button["y"] <= box["y"] + box["height"], "scrolled to, in its own window"


def test_a_page_leads_to_its_values(open_page: Open) -> None:
    driver = open_page("pages/06-mlp", width=1440)
    driver.find_element(By.CSS_SELECTOR, ".where .values").click()
    trace = Trace(driver)
    for tap, then in (("h.0.mlp.fc", "ln_f"), ("ln_f", "%E0%A4%A"), ("ln_f", "nowhere")):
        assert trace.chosen() == [tap]
        driver.execute_script("location.hash = arguments[0]", then)
