"""A headless Chromium that cannot reach other machines, driven by Selenium."""

import base64
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selenium import webdriver

from docs.build import SITE
from shared.errors import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
HERE = ("file:", "data:", "blob:", "about:", "chrome:")
"""Prefixes of addresses on this machine, or in the browser itself."""

ARGUMENTS = (
    "--headless",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no page can reach another machine
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),  # root needs it
)
TALLEST = 12_000
"""In pixels. Chromium draws nothing much taller."""


def script(name: str) -> str:
    """A script of this folder, to be run on a page."""
    return Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")


def built_site() -> Path:
    """The directory of the tested site: build/site, or $MINIGPT_SITE."""
    return Path(os.environ.get("MINIGPT_SITE", SITE)).resolve()


def find_browser() -> str:
    """The browser's path on this system; "" if there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), "")


def check_programs() -> None:
    """Raises `UserError`, which names what is missing and how to get it."""
    for program, found in {"Chromium": find_browser(), DRIVER: shutil.which(DRIVER)}.items():
        if not found:
            how = "install Chromium and its driver (Debian: apt install chromium chromium-driver)"
            raise UserError(f"there is no {program} here: {how}")


def check_what_is_needed() -> None:
    check_programs()
    if not (built_site() / "index.html").is_file():
        raise UserError(f"there is no site in {built_site()}: build it with nox -s docs")


def start() -> webdriver.Chrome:
    """Start Chromium. It logs the console and the requests of pages."""
    options = webdriver.ChromeOptions()
    # Name both programs, or Selenium downloads the missing one.
    options.binary_location = find_browser()
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which(DRIVER)))
    source = {"source": script("scroll_at_once")}
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
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
    """Open an address in a window of this size in CSS pixels, each `scale` pixels wide."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    emulate(driver, {"prefers-color-scheme": "dark" if dark else "light"})
    driver.get(address)


def emulate(driver: webdriver.Chrome, features: Mapping[str, str], medium: str = "") -> None:
    """Emulate these user preferences; the medium "print" is paper."""
    named = [{"name": name, "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": named})


def complaints(driver: webdriver.Chrome) -> list[str]:
    """Errors and warnings written to the console since the last call."""
    entries = driver.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]


def requests(driver: webdriver.Chrome) -> list[str]:
    """The addresses requested since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
    return [event["params"]["request"]["url"] for event in sent]


def contrasts(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """The colour pairs of the text on the page: for each, an example `text`, and `ratio`, from 1
    for equal colours to 21 for black on white (WCAG 2.1, "contrast ratio")."""
    found: list[dict[str, Any]] = driver.execute_script(script("contrast"))
    return found


def photograph(driver: webdriver.Chrome, path: Path) -> None:
    """Save a picture of the whole page, smaller if it is very tall."""
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {**size, "scale": min(1, TALLEST / size["height"])}
    options = {"clip": clip, "captureBeyondViewport": True}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", options)
    path.write_bytes(base64.b64decode(shot["data"]))
