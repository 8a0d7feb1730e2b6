"""Judge one backend alone: python -m conformance.golden --backend numpy

Compares its float64 results with stored ones, which NumPy computed when all three backends agreed.
No other framework is needed: `pip install --group numpy` is enough. `--write` replaces them, if the
three agree; do so only after a change to what the model computes.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tyro.conf import FlagCreatePairsOff

from conformance.cases import BASE, Case, batch_of, find_case, random_weights
from conformance.compare import Disagreement, check_fit, relative_error
from conformance.limits import limit_of
from shared.commands.options import UsageError, command
from shared.config import SampleConfig, TrainConfig
from shared.protocol import BACKENDS, Backend, claimed, load_backend, precisions

FILE = Path(__file__).parent / "truths" / "golden.safetensors"
CASES = (
    *(find_case("dropout"), find_case("post dropout")),
    Case("erf", replace(BASE, activation="gelu_erf", bias=False, layer_norm_epsilon=0.1)),
)
"""Together they cover every option of every part of a model, and dropout."""
STEPS = TrainConfig(10, 3, accumulate=2, warmup_steps=3, epsilon=1e-4, grad_clip=3.7)
"""Some of the steps are clipped."""
SAMPLING = SampleConfig(max_new_tokens=30, temperature=0.9, top_k=20, top_p=0.95, seed=3)
CHECKS = {
    "trace": {"taps"},
    "grads": {"gradients"},
    "generate": {"same text"},
    "trainer": {"losses on the way", "norms on the way", "AdamW, 20 steps"},
}
"""For each capability, the checks of limits.toml that need it."""


@dataclass(frozen=True)
class Options:
    backend: str = "numpy"
    """One of the three, or the import path of yours."""
    write: FlagCreatePairsOff[bool] = False
    """Replace the stored results, if the three backends agree."""


def computed(backend: Backend) -> tuple[dict[str, np.ndarray], set[str]]:
    """A backend's results, by check, case and name; and the checks that it does not claim."""
    found: dict[str, np.ndarray] = {}
    for case in CASES:

        def add(check: str, values: Mapping[str, np.ndarray], case: Case = case) -> None:
            found.update({f"{check}, {case.name}: {what}": x for what, x in values.items()})

        model = backend.build(case.config, random_weights(case), dtype="float64")
        tokens, targets = batch_of(case)
        lacks = CHECKS.keys() - claimed(backend, model)
        add("logits", {"logits": model.logits(tokens)})
        add("loss", {"loss": np.array([model.loss(tokens, targets)])})
        if "trace" not in lacks:
            add("taps", model.trace(tokens))
        if "grads" not in lacks:
            loss, grads = model.loss_and_grads(tokens, targets)
            add("gradients", {**grads, "loss": np.array([loss])})
        if "generate" not in lacks:  # from inside the window to past it
            text = list(model.generate(tokens[0, :3], SAMPLING))
            add("same text", {"text": np.array(text, np.float64)})
        if "trainer" not in lacks:
            trainer = model.trainer(STEPS)
            steps = [trainer.step(*batch_of(case, seed)) for seed in range(STEPS.steps)]
            losses = [*(step.loss for step in steps), model.loss(tokens, targets)]
            add("losses on the way", {"losses": np.array(losses)})
            add("norms on the way", {"norms": np.array([step.grad_norm for step in steps])})
            add("AdamW, 20 steps", trainer.state().weights)
    return found, set().union(*(CHECKS[claim] for claim in lacks))


def judge(backend: Backend, golden: Mapping[str, np.ndarray]) -> tuple[Table, list[str]]:
    """The largest error of each check, and what is beyond its limit, missing or unexpected."""
    (found, lacks), worst, wrong = computed(backend), dict[str, float](), []
    for name in dict.fromkeys([*golden, *found]):
        check, _, what = name.rpartition(", ")
        if check in lacks:
            continue
        try:
            check_fit(backend.name, found[name], "float64")
            error = relative_error(found[name], golden[name])
            fault = f"off by {error:.1e}"
        except Disagreement as different:
            error, fault = math.nan, str(different)
        except KeyError:
            error, fault = math.nan, "missing" if name in golden else "not among the stored results"
        worst[check] = max(worst.get(check, 0.0), error, key=lambda e: (math.isnan(e), e))
        if not error <= limit_of(check, "float64"):
            wrong.append(f"{check}, {what}: {fault}")
    table = Table("check", backend.name, "limit", title="Largest relative error")
    for check, error in worst.items():
        limit = limit_of(check, "float64")
        table.add_row(check, f"{error:.1e}", f"{limit:.0e} {'✓' if error <= limit else '✗'}")
    return table, wrong


def write() -> None:
    """Store NumPy's results. Raises `UsageError` if another backend's differ."""
    golden, _ = computed(load_backend("numpy"))
    for name in BACKENDS:
        _, wrong = judge(load_backend(name), golden)
        if wrong:
            raise UsageError(f"{name} and numpy do not agree, and nothing was stored: {wrong[0]}")
    save_file({name: np.ascontiguousarray(value) for name, value in golden.items()}, FILE)


@command
def main(options: Options) -> int:
    """Judge, or write. Returns 1 if the backend differs from the stored results."""
    if options.write:
        write()
        return 0
    backend = load_backend(options.backend)
    if "float64" not in precisions(backend):
        raise UsageError(f"{backend.name} does not offer float64, in which the results are stored")
    try:
        golden = load_file(FILE)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{FILE} cannot be read: {error}; git has it") from None
    table, wrong = judge(backend, golden)
    Console(highlight=False).print(table)
    for line in wrong[:5]:
        print(line, file=sys.stderr)
    if len(wrong) > 5:
        print(f"… and {len(wrong) - 5} more", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
