"""The report of a run: the table and more, as JSON and as a page."""

import importlib.metadata
import json
import math
import os
import platform
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest

from conformance.ledger import Row
from conformance.limits import NOISE
from conformance.recorder import Recorder
from conformance.reporting.table import number
from shared.files import write_whole
from shared.protocol import CAPABILITIES

PACKAGES = ("numpy", "torch", "jax", "jaxlib", "flax", "optax", "pytest")
TEMPLATE = Path(__file__).with_name("report.html.jinja")


def report_of(recorder: Recorder, config: pytest.Config, exitstatus: int) -> dict[str, Any]:
    """The full report of a run: its circumstances and results."""
    panel = recorder.panel
    versions = {d.name: d.version for d in importlib.metadata.distributions()}
    return {
        "started": recorder.began.isoformat(sep=" ", timespec="seconds"),
        "seconds": round((datetime.now().astimezone() - recorder.began).total_seconds(), 1),
        "arguments": [str(argument) for argument in config.invocation_params.args],
        "seed": recorder.seed,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "packages": {name: versions[name] for name in PACKAGES if name in versions},
        "fingerprint": recorder.fingerprint,
        "verdict": "passed" if exitstatus == 0 else "failed",
        "backends": {
            name: {
                "module": getattr(backend, "__name__", type(backend).__name__),
                "not_offered": [key for key in CAPABILITIES if key not in panel.claims(name)],
            }
            for name, backend in panel.backends.items()
        },
        "collected": recorder.collected,
        "tests": {key: recorder.outcomes[key] for key in ("passed", "failed", "skipped")},
        "checks": [check_of(row) for row in recorder.ledger.in_order()],
        "failures": [asdict(failure) for failure in recorder.failures],
        "durations": {key: round(value, 3) for key, value in recorder.seconds.items()},
    }


def check_of(row: Row) -> dict[str, Any]:
    """A line of the table, with the errors of every case and details of its limit."""
    return {
        **{key: getattr(row, key) for key in ("check", "dtype", "verdict", "limit", "errors")},
        "noise": NOISE.get(row.check, {}).get(row.dtype),
        "errors_by_case": row.by_case,
        "failed": sorted(row.failed),
        "not_offered": sorted(row.not_offered - set(row.errors)),
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


def finite(value: Any) -> Any:
    """Replace infinity by "inf", because JSON has no number for it."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return "inf" if isinstance(value, float) and not math.isfinite(value) else value


def render_page(report: dict[str, Any]) -> str:
    """The report as one self-contained page, without scripts, fonts or pictures."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(report=report, dtypes=("float64", "float32"))
