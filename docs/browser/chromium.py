"""A headless Chromium that reaches no other machine, by Selenium."""

import base64
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selenium import webdriver

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
HERE = ("file:", "data:", "blob:", "about:", "chrome:", "http://127.0.0.1:")
"""How addresses begin that are on this machine, or in the browser itself."""

ARGUMENTS = (
    "--headless",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # even if a page wanted to
)
SCROLL_AT_ONCE = """
addEventListener("DOMContentLoaded", () => {
  document.documentElement.style.scrollBehavior = "auto";
});
"""
"""Who clicks while the page still moves misses."""
TALLEST = 12_000
"""Pixels. Chromium draws nothing that is much taller."""


def find_browser() -> str | None:
    """The program, as it is called on this system."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def start() -> webdriver.Chrome:
    """Start Chromium. Its logs hold what pages complain of, and whom they ask for what.

    Raises:
        WebDriverException: it does not start.
    """
    options = webdriver.ChromeOptions()
    # Both programs are named, or Selenium would download what it does not find.
    options.binary_location = find_browser() or ""
    service = webdriver.ChromeService(shutil.which(DRIVER))
    for argument in ARGUMENTS:
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # as root Chromium does not start with it
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, service)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SCROLL_AT_ONCE})
    return driver


def show(
    driver: webdriver.Chrome,
    address: str,
    *,
    width: int = 1280,
    height: int = 900,
    dark: bool = False,
    scale: float = 1.0,
) -> None:
    """Open an address in a window of so many CSS pixels; a CSS pixel is `scale` pixels wide."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    emulate(driver, {"prefers-color-scheme": "dark" if dark else "light"})
    driver.get(address)


def emulate(driver: webdriver.Chrome, features: Mapping[str, str], medium: str = "") -> None:
    """Show the page to somebody with these wishes; the medium "print" is paper."""
    named = [{"name": name, "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": named})


def complaints(driver: webdriver.Chrome) -> list[str]:
    """Errors and warnings that were written to the console since this was last asked for."""
    entries = driver.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]


def requests(driver: webdriver.Chrome) -> list[str]:
    """The addresses that were asked for since this was last asked for."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


def off_this_machine(addresses: Sequence[str]) -> list[str]:
    """Those of the addresses that another machine would have to answer."""
    return [address for address in addresses if not address.startswith(HERE)]


def contrasts(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """The pairs of colours in which text is shown: its colour and the one behind it.

    Returns:
        For each, `ratio`, which is 1 for equal colours and 21 for black on white (WCAG 2.1,
        "contrast ratio"), and a `text` that is shown so.
    """
    script = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = driver.execute_script(script)
    return found


def photograph(driver: webdriver.Chrome, path: Path) -> None:
    """Save a picture of the whole page: path.png, or path-1.png and so on if it is too tall."""
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    tops = range(0, max(1, int(size["height"])), TALLEST)
    for number, top in enumerate(tops, 1):
        height = min(TALLEST, size["height"] - top)
        clip = {"x": 0, "y": top, "width": size["width"], "height": height, "scale": 1}
        options = {"clip": clip, "captureBeyondViewport": True}
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", options)
        name = path.name if len(tops) == 1 else f"{path.name}-{number}"
        path.with_name(f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
