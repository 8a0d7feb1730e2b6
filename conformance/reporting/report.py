"""The report of a run: the table and more, as JSON and as a page."""

import importlib.metadata
import json
import math
import os
import platform
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest

from conformance import gate
from conformance.ledger import Row
from conformance.limits import NOISE, SMALLEST_MUTANT, distances
from conformance.recorder import Recorder
from conformance.reporting.table import number
from shared.files import write_whole
from shared.protocol import CAPABILITIES

FORMAT = 1
PACKAGES = ("numpy", "torch", "jax", "jaxlib", "flax", "optax", "pytest")
TEMPLATE = Path(__file__).with_name("report.html.jinja")


def report_of(recorder: Recorder, config: pytest.Config, exitstatus: int) -> dict[str, Any]:
    """The full report of a finished run."""
    panel = recorder.panel
    return {
        **circumstances(config),
        "fingerprint": recorder.fingerprint,
        "verdict": "passed" if exitstatus == 0 else "failed",
        "backends": {
            name: {
                "module": getattr(backend, "__name__", type(backend).__name__),
                "not_offered": [key for key in CAPABILITIES if key in missing],
            }
            for name, backend in panel.backends.items()
            for missing in [set(CAPABILITIES) - panel.claims(name)]
        },
        "collected": recorder.collected,
        "tests": {key: recorder.outcomes[key] for key in ("passed", "failed", "skipped")},
        "checks": [check_of(row) for row in recorder.ledger.in_order()],
        "failures": [asdict(failure) for failure in recorder.failures],
        "durations": {key: round(value, 3) for key, value in recorder.seconds.items()},
    }


def load_failure(name: str, error: Exception, config: pytest.Config) -> dict[str, Any]:
    """The report of a run that could not start because a backend cannot be loaded."""
    failure = {"test": "", "blamed": [name], "message": str(error), "repeat": "", "begins": ""}
    return {
        **circumstances(config),
        "fingerprint": gate.fingerprint(),
        "verdict": "failed",
        "backends": {},
        "collected": 0,
        "tests": {"passed": 0, "failed": 0, "skipped": 0},
        "checks": [],
        "failures": [failure | {"check": "", "case": "", "dtype": ""}],
        "durations": {},
    }


def circumstances(config: pytest.Config) -> dict[str, Any]:
    """The time, machine and versions of a run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    start = getattr(reporter, "_session_start", None)
    seconds = time.time() - start.time if start is not None else 0.0
    began = datetime.now().astimezone() - timedelta(seconds=seconds)
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "format": FORMAT,
        "started": began.isoformat(sep=" ", timespec="seconds"),
        "seconds": round(seconds, 1),
        "arguments": [str(argument) for argument in config.invocation_params.args],
        "seed": config.getoption("--seed"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "packages": versions,
    }


def check_of(row: Row) -> dict[str, Any]:
    """A line of the table, with the errors of every case and details of its limit."""
    above_noise, below_mutant = distances(row.check, row.dtype)
    return {
        "check": row.check,
        "dtype": row.dtype,
        "verdict": row.verdict,
        "limit": row.limit,
        "noise": NOISE.get(row.check, {}).get(row.dtype),
        "limit_over_noise": above_noise,
        "smallest_mutant": SMALLEST_MUTANT.get(row.check, {}).get(row.dtype),
        "smallest_mutant_over_limit": below_mutant,
        "errors": row.errors,
        "errors_by_case": row.by_case,
        "failed": sorted(row.failed),
        "not_offered": sorted(row.not_offered - set(row.errors)),
        "seconds": round(row.seconds, 3),
    }


def write_report(report: dict[str, Any], directory: Path) -> list[Path]:
    """Write conformance.json and conformance.html atomically."""
    directory.mkdir(parents=True, exist_ok=True)
    pages = {
        "conformance.json": json.dumps(finite(report), indent=1, allow_nan=False) + "\n",
        "conformance.html": render_page(report),
    }
    for name, text in pages.items():
        write_whole(directory / name, text)
    return [directory / name for name in pages]


def times(ratio: float | None) -> str:
    """A ratio as text: 1.2 and 170 and 54,000, never 5.4e+04."""
    return "–" if ratio is None else f"{float(f'{ratio:.1e}'):,.{1 if ratio < 10 else 0}f}"


def finite(value: Any) -> Any:
    """The same with "inf" for infinity, which JSON has no number for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return "inf" if isinstance(value, float) and not math.isfinite(value) else value


def render_page(report: dict[str, Any]) -> str:
    """The report as one self-contained page: no script, no font, no picture."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = lambda value: "–" if value is None else number(value)
    environment.filters["times"] = times
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(report=report, dtypes=("float64", "float32"))
