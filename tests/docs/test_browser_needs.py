"""`nox -s browser` says in one line what is missing; otherwise it runs the requested tests."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from docs.browser import __main__ as browser


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a browser, its driver and a site; its programs are in `bin`."""
    for program in ("chromium", "chromedriver"):
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("MINIGPT_SITE", str(tmp_path / "site"))
    return tmp_path


INSTALL = "install Chromium and its driver (Debian: apt install chromium chromium-driver)"
MISSING = {
    "bin/chromium": f"there is no Chromium here: {INSTALL}",
    "bin/chromedriver": f"there is no chromedriver here: {INSTALL}",
    "site/index.html": "there is no site in {site}: build it with nox -s docs",
}


@pytest.mark.parametrize("missing", MISSING)
def test_what_is_missing_is_said_in_one_line(
    missing: str, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / missing).unlink()
    assert browser.main([]) == 2
    said = MISSING[missing].format(site=machine / "site")
    assert capsys.readouterr().err == f"error: {said}\n"


def test_arguments_choose_among_the_tests(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def start(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command[3:])
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", start)
    assert browser.main(["-k", "tabs"]) == 1
    assert browser.main(["docs/browser/test_columns.py", "-x"]) == 1
    assert commands == [["docs/browser", "-k", "tabs"], ["docs/browser/test_columns.py", "-x"]]
