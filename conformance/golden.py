"""Judge one backend alone, in seconds: python -m conformance.golden --backend numpy

Its results in float64 are compared with stored ones, those of NumPy at a time when all three
backends agreed. No other framework is needed: `pip install --group numpy` is enough. `--write`
stores them again, if the three agree; only a change of what the model computes is a reason to.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load_file, save_file
from tyro.conf import FlagCreatePairsOff

from conformance.cases import Case, batch_of, find_case, random_weights
from conformance.compare import Disagreement, relative_error, unfit
from conformance.limits import limit_of
from shared.commands.options import UsageError, command
from shared.config import SampleConfig, TrainConfig
from shared.protocol import BACKENDS, Backend, claimed, load_backend, precisions

FILE = Path(__file__).parent / "truths" / "golden.safetensors"
CASES = ("dropout", "post dropout", "post-erf")
"""Together they have both places of LayerNorm, all activations, both positions, tied weights and a
head, with biases and without, and dropout."""
STEPS = TrainConfig(steps=10, batch_size=3, warmup_steps=3, learning_rate=1e-3, grad_clip=2.0)
SAMPLING = SampleConfig(max_new_tokens=30, temperature=0.9, top_k=20, top_p=0.95, seed=3)


@dataclass(frozen=True)
class Options:
    """Which backend to judge."""

    backend: str = "numpy"
    """One of the three, or the import path of yours."""
    write: FlagCreatePairsOff[bool] = False
    """Store the results of the three backends again, if they agree."""


def computed(backend: Backend, case: Case) -> Iterator[tuple[str, str, np.ndarray]]:
    """What a backend computes in a case, as far as it claims to: the check, by its name in
    limits.toml, what it is, and its value."""
    model = backend.build(case.config, random_weights(case), dtype="float64")
    tokens, targets = batch_of(case)
    can = claimed(backend, model)
    yield "logits", "logits", model.logits(tokens)
    yield "loss", "loss", np.array([model.loss(tokens, targets)])
    if "trace" in can:
        yield from (("taps", f"tap {tap}", value) for tap, value in model.trace(tokens).items())
    if "grads" in can:
        for key, value in model.loss_and_grads(tokens, targets)[1].items():
            yield "gradients", f"gradient of {key}", value
    if "generate" in can:
        text = list(model.generate(tokens[0], SAMPLING))
        yield "same text", "text", np.array(text, np.float64)
    if "trainer" in can:
        trainer = model.trainer(STEPS)
        results = [trainer.step(*batch_of(case, seed)) for seed in range(STEPS.steps)]
        yield "losses on the way", "losses", np.array([result.loss for result in results])
        yield "norms on the way", "norms", np.array([result.grad_norm for result in results])
        for key, value in trainer.state().weights.items():
            yield "AdamW, 20 steps", f"{key} after {STEPS.steps} steps", value


def all_computed(backend: Backend) -> dict[tuple[str, str], np.ndarray]:
    """By check, and by case and name."""
    return {
        (check, f"{name}: {what}"): value
        for name in CASES
        for check, what, value in computed(backend, find_case(name))
    }


def judge(backend: Backend, golden: dict[str, np.ndarray]) -> tuple[Table, list[str]]:
    """The largest error of each check, and what is beyond its limit."""
    worst: dict[str, float] = {}
    wrong = []
    for (check, what), value in all_computed(backend).items():
        try:
            fault = unfit(value, "float64")
            error = relative_error(value, golden[what])
        except Disagreement as different:
            fault, error = str(different), float("nan")
        worst[check] = max(worst.get(check, 0.0), error, key=lambda e: (np.isnan(e), e))
        if fault or not error <= limit_of(check, "float64"):
            wrong.append(f"{what}: {fault or f'off by {error:.1e}'}")
    table = Table("check", backend.name, "limit", title="Largest relative error")
    for check, error in worst.items():
        limit = limit_of(check, "float64")
        mark = "✓" if error <= limit else "✗"
        table.add_row(check, f"{error:.1e}", f"{limit:.0e} {mark}")
    return table, wrong


def write() -> None:
    """Store NumPy's results. Raises `UsageError` if another backend's differ."""
    found = {what: value for (_, what), value in all_computed(load_backend("numpy")).items()}
    for name in BACKENDS:
        _, wrong = judge(load_backend(name), found)
        if wrong:
            raise UsageError(f"{name} and numpy do not agree, and nothing was stored: {wrong[0]}")
    save_file({what: np.ascontiguousarray(value) for what, value in found.items()}, FILE)


@command
def main(options: Options) -> int:
    """Judge, or write. Returns 1 if the backend differs from what is stored."""
    if options.write:
        write()
        return 0
    backend = load_backend(options.backend)
    if "float64" not in precisions(backend):
        raise UsageError(f"{backend.name} does not offer float64, in which the results are stored")
    table, wrong = judge(backend, load_file(FILE))
    Console(highlight=False).print(table)
    for line in wrong[:5]:
        print(line, file=sys.stderr)
    if len(wrong) > 5:
        print(f"… and {len(wrong) - 5} more", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
