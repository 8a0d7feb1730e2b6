"""Mouse and keyboard, and an interactive figure with the numbers that it was built from."""

import base64
import json
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from shared.config import GPTConfig
from shared.protocol import Model, load_backend

Open = Callable[..., Chrome]
"""The fixture `open_page`."""

ENTER = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
"""Enters a value in a control, as a reader does who types or slides."""
INTO_VIEW = "arguments[0].scrollIntoView({block: 'center'})"


def press(driver: Chrome, *keys: str) -> None:
    """Press keys, wherever the focus is."""
    ActionChains(driver).send_keys(*keys).perform()


def point_at(driver: Chrome, element: WebElement, x: int = 0, y: int = 0) -> None:
    """Move the mouse to the middle of an element, or to an offset from it."""
    driver.execute_script(INTO_VIEW, element)
    ActionChains(driver).move_to_element_with_offset(element, x, y).perform()


def text_of(element: WebElement) -> str:
    """The text inside, visible or not."""
    return str(element.get_property("textContent"))


def model_of(driver: Chrome) -> tuple[Model, Callable[[str], np.ndarray], list[str]]:
    """The model of the page in NumPy, its encoder, and its vocabulary."""
    found = driver.execute_script("return window.trained")
    weights = {
        name: np.frombuffer(base64.b64decode(tensor["base64"]), "<f4").reshape(tensor["shape"])
        for name, tensor in found["weights"].items()
    }
    config, vocabulary = GPTConfig(**found["config"]), found["vocabulary"]
    model = load_backend("numpy").build(config, weights, dtype="float64")
    return model, lambda text: np.array([vocabulary.index(c) for c in text]), vocabulary


class Figure:
    name: ClassVar[str]

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.place = driver.find_element(By.CSS_SELECTOR, f'[data-play="{self.name}"]')
        self.data = self.numbers()

    def numbers(self) -> Any:
        """What the build measured."""
        return json.loads(text_of(self.driver.find_element(By.ID, f"data-{self.name}")))

    def find(self, selector: str) -> WebElement:
        return self.place.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.place.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript; arguments[0] is the figure, unless others are given."""
        return self.driver.execute_script(script, *(arguments or [self.place]))

    def click(self, selector: str) -> None:
        """Click, even if something floats above the element."""
        self.run("arguments[0].click()", self.find(selector))

    def select(self, **chosen: object) -> None:
        """Choose in the menus of these names."""
        for name, value in chosen.items():
            Select(self.find(f"select[name={name}]")).select_by_value(str(value))

    def press(self, *keys: str, start: str = "") -> None:
        """Press keys, with the focus on the element `start` if it is given."""
        if start:
            self.run("arguments[0].focus()", self.find(start))
        press(self.driver, *keys)
