"""How large the errors of correct backends are: `python -m conformance.noise --seeds 10`.

Runs the suite on other weights and batches, again and again, and prints the largest error of every
check: the NOISE of conformance/limits.py, from which the float32 limits follow.
"""

import argparse
import json
import tempfile
from pathlib import Path

import pytest

NOISY = (
    "taps or logits or loss or softmax or attention or gradients or differences or adamw or sgd "
    "or state_goes or training or bigram"
)
"""The tests with rounding in them, for pytest's -k; the others compare bit for bit."""


def main() -> int:
    """Print the noise as a table of Python. Returns 1 if a run failed for another reason."""
    parser = argparse.ArgumentParser(prog="python -m conformance.noise", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    noise: dict[str, dict[str, float]] = {}
    for seed in range(parser.parse_args().seeds):
        with tempfile.TemporaryDirectory() as directory:
            options = ["conformance", "-q", "--no-header", "-k", NOISY]
            pytest.main([*options, "--seed", str(seed), "--report", directory])
            report = json.loads((Path(directory) / "conformance.json").read_text(encoding="utf-8"))
            if report["verdict"] != "passed":
                return 1
            for row in report["checks"]:
                found = noise.setdefault(row["check"], {})
                largest = max([found.get(row["dtype"], 0.0), *row["errors"].values()])
                found[row["dtype"]] = float(f"{largest:.1e}")
    for check, by_dtype in noise.items():
        print(f"    {json.dumps(check)}: {json.dumps(by_dtype)},")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
