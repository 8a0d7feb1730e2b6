"""The backend of the pages, docs/_static/gpt.js, behind the protocol of shared/protocol.py.

It runs in a headless Chromium. To judge it:

nox -s conformance -- --backend docs.javascript
"""

import atexit
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from docs.browser import chromium
from shared.config import GPTConfig, SampleConfig
from shared.errors import InputError
from shared.protocol import check_device, check_dtype, check_prompt, check_tokens, check_weights

name = "javascript"
dtypes = ("float64",)
"""The only floating-point numbers of JavaScript."""

SOURCE = Path(__file__).with_name("_static") / "gpt.js"


@cache
def page() -> Any:
    """A page with the script; closed at exit. Raises `UserError` if there is no Chromium."""
    chromium.check_programs()
    driver = chromium.start()
    atexit.register(driver.quit)
    driver.execute_script(SOURCE.read_text(encoding="utf-8"))
    return driver


def run(script: str, *arguments: Any) -> Any:
    """What a script returns for these arguments."""
    return page().execute_script(script, *arguments)


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float64",
    device: str = "cpu",
) -> "JavaScriptModel":
    """A model with a copy of `weights`. Raises `UserError` if the arguments do not fit."""
    check_weights(config, weights)
    check_dtype(dtype, dtypes)
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise InputError("weights: NaN and infinity do not reach a browser, as JSON has neither")
    check_device(device)
    return JavaScriptModel(config, weights)


class JavaScriptModel:
    """`shared.protocol.Model` without gradients and training. Passes tensors as nested lists."""

    def __init__(self, config: GPTConfig, weights: Mapping[str, np.ndarray]) -> None:
        self.config = config
        rows = {key: np.asarray(value, np.float64).tolist() for key, value in weights.items()}
        new = "return (window.models ??= []).push(new gpt.GPT(...arguments)) - 1"
        self.number = run(new, asdict(config), rows)

    def ask(self, script: str, *arguments: Any) -> Any:
        """Run a script that calls the model `m`; `arguments[1]` is its first argument."""
        return run(f"const m = models[arguments[0]]; {script}", self.number, *arguments)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        check_tokens(self.config, tokens)
        script = "return arguments[1].map((row) => m.forward(row))"
        return np.array(self.ask(script, tokens.tolist()), np.float64)

    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        check_tokens(self.config, tokens)
        script = """return arguments[1].map((row) => {
            const taps = [];
            m.forward(row, null, (...tap) => taps.push(tap));
            return taps;
        })"""
        traces = [dict(taps) for taps in self.ask(script, tokens.tolist())]
        return {tap: np.array([trace[tap] for trace in traces], np.float64) for tap in traces[0]}

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        check_tokens(self.config, tokens, targets)
        script = "return arguments[1].map((row, i) => m.loss(row, arguments[2][i]))"
        losses = self.ask(script, tokens.tolist(), targets.tolist())
        return float(np.mean(np.array(losses, np.float64)))

    def weights(self) -> dict[str, np.ndarray]:
        found = self.ask("return m.given")
        return {key: np.array(value, np.float64) for key, value in found.items()}

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        return (token for token, _ in self.decode(prompt, config))

    def decode(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        check_prompt(self.config, prompt)
        options = asdict(config) | {"seed": str(config.seed)}  # JSON's numbers have 53 bits
        begin = "return (window.texts ??= []).push(m.decode(arguments[1], arguments[2])) - 1"
        text = self.ask(begin, prompt.tolist(), options)
        return self._tokens(text)

    def _tokens(self, text: int) -> Iterator[tuple[int, np.ndarray]]:
        while found := run("return texts[arguments[0]].next().value", text):
            yield found[0], np.array(found[1], np.float64)
