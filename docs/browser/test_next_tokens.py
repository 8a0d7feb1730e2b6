"""The next-token table shows the results of next_tokens.py, for all positions of the sliders."""

import shlex

import numpy as np
import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from docs.browser.figure import ENTER, Figure, Open, model_of, text_of
from shared.commands.next_tokens import distribution, entropy
from shared.commands.options import parse_sample
from shared.config import SampleConfig
from shared.randomness import uniform

SETTINGS = [
    SampleConfig(),
    SampleConfig(temperature=0.0, seed=3),
    SampleConfig(temperature=0.5, top_k=5, seed=2),
    SampleConfig(temperature=2.0, top_k=17, top_p=0.6, seed=7),
    SampleConfig(top_k=1, seed=11),
]
ROWS = 12


class Table(Figure):
    name = "next_tokens"

    def choose(self, prompt: int, config: SampleConfig) -> None:
        self.select(prompt=prompt)
        values = {
            "temperature": config.temperature,
            "top-k": config.top_k or self.find("input[name=top-k]").get_attribute("max"),
            "top-p": config.top_p or 1,
            "seed": config.seed,
        }
        for name, value in values.items():
            self.run(ENTER, self.find(f"input[name={name}]"), value)

    def column(self, what: str) -> list:
        """Of each row: `dataset.p`, its probability, or `children[0].textContent`."""
        rows = "[...arguments[0].querySelectorAll('tbody tr')]"
        return self.run(f"return {rows}.map((row) => row.{what})")

    def numbers_of(self, name: str) -> list[float]:
        return [float(number) for number in self.column(f"dataset.{name}")]


@pytest.fixture
def table(open_page: Open) -> Table:
    return Table(open_page("pages/13-sampling-and-the-kv-cache"))


@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_the_table_is_that_of_the_code(table: Table, config: SampleConfig) -> None:
    model, encode, _ = model_of(table.driver)
    tokens = table.run("return window.trained.shown")
    prompts = [text_of(option) for option in table.all("select[name=prompt] option")]
    assert len(prompts) == 5
    for number, prompt in enumerate(prompts):
        table.choose(number, config)
        ids = encode(prompt)
        logits = model.logits(ids[None])[0, -1]
        own, p = distribution(logits, SampleConfig()), distribution(logits, config)
        order = np.argsort(-own, kind="stable")
        first, rest = order[:ROWS], order[ROWS:]
        for name, values in (("own", own), ("p", p)):
            expected = [*values[first], values[rest].sum()]
            np.testing.assert_allclose(table.numbers_of(name), expected, rtol=1e-12, atol=1e-15)
        others = f"{len(rest)} others"
        assert table.column("children[0].textContent") == [*(tokens[i] for i in first), others]
        written = [float(text) for text in table.column("children[2].textContent")]
        assert written == pytest.approx([*p[first], p[rest].sum()], abs=5.1e-5)
        said = table.find(".said").text
        assert f"{entropy(p):.2f} bits" in said
        assert said.startswith("One token is" if (p > 0).sum() == 1 else f"{(p > 0).sum()} tokens")
        cdf = np.cumsum(p)
        u = uniform(config.seed, len(ids))
        token = int(np.searchsorted(cdf, u * cdf[-1], side="right"))
        drawn = table.find(".drawn")
        assert drawn.get_attribute("data-token") == str(token)
        assert f"“{tokens[token]}”" in drawn.text
        parse_sample("numpy", shlex.split(table.find(".command").text)[3:])


def test_bars_are_as_wide_as_the_probabilities(table: Table) -> None:
    table.choose(0, SampleConfig(temperature=0.6, top_k=4))
    for name in ("own", "p"):
        for row, share in zip(table.all("tbody tr"), table.numbers_of(name), strict=True):
            whole = row.find_element(By.CSS_SELECTOR, ".bar").size["width"]
            width = row.find_element(By.CSS_SELECTOR, f".bar .{name}").size["width"]
            # The border of an outline is always present.
            assert width == pytest.approx(share * whole, abs=2.1)


def test_a_slider_is_moved_by_the_keyboard_and_says_where_it_stands(table: Table) -> None:
    slider = table.find("input[name=temperature]")
    label = slider.find_element(By.XPATH, "./ancestor::label")
    assert label.text.split("\n")[0] == "Temperature"
    slider.send_keys(Keys.ARROW_LEFT)
    assert "0.95" in label.text
    slider.send_keys(Keys.HOME)
    assert slider.get_attribute("aria-valuetext") == "0: greedy"
    assert sorted(table.numbers_of("p")) == [0.0] * ROWS + [1.0]
    assert "whatever the seed" in table.find(".drawn").text
