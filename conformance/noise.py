"""Measure the errors of correct backends: `python -m conformance.noise --seeds 10`.

Runs the suite repeatedly, each time on other weights and batches, and prints the largest error of
every check: the `noise` in conformance/limits.toml, from which the float32 limits follow.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance.cases import TEETH
from conformance.limits import EXACT
from shared.commands.complaints import Parser
from shared.commands.terminal import run_command
from shared.sources import ROOT

MAGNIFYING = {case.name for case in TEETH if case.condition > 1}
"""Cases that magnify rounding, and so have larger limits."""


def main() -> int:
    """Print the noise as limits.toml has it. Returns 1 if a run failed for any other reason."""
    parser = Parser(prog="python -m conformance.noise", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    noise: dict[str, dict[str, float]] = {}
    for seed in range(parser.parse_args().seeds):
        with tempfile.TemporaryDirectory() as directory:
            options = ["--ignore", "conformance/shared", "--ignore", "conformance/numbers"]
            options += ["-q", "--no-header", "-n", "2", "--dist", "loadgroup"]
            options += ["conformance", "--seed", str(seed), "--report", directory]
            subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT)
            report = json.loads((Path(directory) / "conformance.json").read_text(encoding="utf-8"))
            if report["verdict"] != "passed":
                return 1
            for row in report["checks"]:
                if row["check"] in EXACT:
                    continue
                found = noise.setdefault(row["check"], {})
                cases = row["errors_by_case"].items()
                usual = [by_backend for case, by_backend in cases if case not in MAGNIFYING]
                errors = [error for by_backend in usual for error in by_backend.values()]
                largest = max([found.get(row["dtype"], 0.0), *errors])
                found[row["dtype"]] = float(f"{largest:.1e}")
    for check, by_dtype in noise.items():
        each = ", ".join(f"{dtype} = {error}" for dtype, error in by_dtype.items())
        print(f"{json.dumps(check)} = {{ noise = {{ {each} }} }}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
