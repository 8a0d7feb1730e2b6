"""One training, several backends, one after the other: python -m lessons.relay

Each backend continues from the checkpoint that the one before it left on disk, in a separate
process, by `train --resume`: weights, moments and step all come from the files. For comparison, the
same training runs in every backend alone, from the first step to the last. If a checkpoint holds
everything that training depends on, the results agree. Exit status 1: they do not.
"""

import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from tyro.conf import arg

from conformance.compare import relative_error
from conformance.limits import limit_of
from lessons.alone import train_alone
from lessons.command import PresetName, TrainingOptions, command
from lessons.printing import table_of_numbers
from shared.checkpoints.checkpoint import checkpoint_path, load_checkpoint
from shared.checkpoints.parts import join_moments
from shared.commands.options import Directory, UsageError
from shared.commands.terminal import end_of_checks, say
from shared.config import load_preset
from shared.errors import RunError
from shared.protocol import load_backend
from shared.runs.directory import RunDirectory
from shared.runs.metrics import read_metrics
from shared.text.datasets import load_dataset

LIMIT = limit_of("200 steps: weights", "float64")
"""How far each tensor of the relay may be from that of a run in one backend, all in float64.

Measured by this command on tinyshakespeare: 5.1e-12 after 60 steps, 6.0e-11 after 200, all of it in
key biases (conformance/limits.py says why). The smallest fault, weights rounded to float32 at a
hand-over, causes 2.3e-07; moments that are dropped cause 1.6, a repeated step 1.2."""


@dataclass(frozen=True)
class Options(TrainingOptions):
    order: Annotated[tuple[str, ...], arg(metavar="BACKEND BACKEND …")] = ("torch", "jax", "numpy")
    """The backends, a leg each. One may run several."""
    steps: int = 60
    """Optimizer steps of the whole relay."""
    preset: PresetName = "classroom"
    """The recipe. Its learning rate stays as it is after the warmup."""
    out: Directory | None = None
    """Keep the runs in this directory. By default they are deleted."""


class Difference(NamedTuple):
    size: float
    """The largest |a − b| divided by the largest |a| or |b| of a tensor."""
    where: str
    """The tensor."""


@command
def main(options: Options) -> int:
    legs = len(options.order)
    if legs < 2:
        raise UsageError("a relay needs two backends or more, such as --order torch jax")
    if options.steps < legs:
        raise UsageError(f"steps is {options.steps}; a relay of {legs} legs needs {legs}")
    load_preset(options.preset)
    for backend in options.order:
        load_backend(backend)  # a missing backend should fail now, not in the last leg
    out = options.out
    if out and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} is not an empty directory; the relay needs one of its own")
    dataset = load_dataset(options.dataset)
    end_of_checks()
    say(f"data: {dataset.note}")
    with tempfile.TemporaryDirectory(prefix="minigpt-relay-") as temporary:
        directory = out or Path(temporary)
        train_all(directory, options)
        found = compare(directory, options)
    if out:
        say(f"the runs are in {out}")
    return 0 if found.size <= LIMIT else 1


def train_all(directory: Path, options: Options) -> None:
    """Run the relay in legs of one length, the last with the remainder; and each backend alone."""
    recipe = [
        *(f"--preset={options.preset}", f"--dataset={options.dataset}", f"--seed={options.seed}"),
        *("--dtype=float64", f"--eval-interval={options.steps}"),
        "--schedule=constant",  # any other depends on the number of steps, which grows with the leg
    ]
    legs, end = len(options.order), 0
    for leg, backend in enumerate(options.order, start=1):
        begun, end = end, options.steps if leg == legs else options.steps // legs * leg
        say(f"leg {leg} of {legs}: {backend}, steps {begun + 1} to {end}")
        given = ["--resume"] if begun else recipe
        train_alone(backend, [*given, f"--out={directory / 'relay'}", f"--steps={end}"])
    for backend in dict.fromkeys(options.order):
        say(f"beside it: {backend} alone, steps 1 to {options.steps}")
        train_alone(backend, [*recipe, f"--out={directory / backend}", f"--steps={options.steps}"])


def compare(directory: Path, options: Options) -> Difference:
    """Show how far the relay ends from each backend alone. Returns the largest difference."""

    def end_of(run: str) -> tuple[dict[str, np.ndarray], str]:
        """Weights and moments, and the last loss."""
        saved = load_checkpoint(checkpoint_path(directory / run, options.steps))
        *_, last = read_metrics(RunDirectory(directory / run).metrics)
        return saved.weights | join_moments(saved.moments or {}), f"{last.loss:.6f}"

    table = table_of_numbers(
        *("training", "last loss", "difference"),
        title="One training handed from backend to backend, and the same in each alone",
        caption="Difference: the largest in weights and moments, relative. 0: the same bits.",
    )
    relay, loss = end_of("relay")
    table.add_row(escape(", ".join(options.order)), loss, "")
    found = {}
    for backend in dict.fromkeys(options.order):
        tensors, loss = end_of(backend)
        found[backend] = apart(relay, tensors)
        size = found[backend].size
        table.add_row(f"{escape(backend)} alone", loss, f"{size:.1e}" if size else "0")
    backend, largest = max(found.items(), key=lambda item: item[1].size)
    console = Console(highlight=False)
    console.print(table)
    where = f"{largest.size:.1e} from {backend} alone, in {largest.where}"
    conclusion = (
        f"The largest difference is {where}. The limit is {LIMIT:.0e}: nothing was lost at a "
        f"hand-over."
        if largest.size <= LIMIT
        else f"Beyond the limit of {LIMIT:.0e}: {where}. Something is lost at a hand-over, unless "
        f"the backends differ by themselves (`nox -s conformance` would tell) or this recipe makes "
        f"rounding errors grow, as a high learning rate does: then try fewer steps."
    )
    console.print(conclusion, markup=False, soft_wrap=True)
    return largest


def apart(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> Difference:
    """The largest difference; infinite if one side lacks something."""
    if lacking := sorted(a.keys() ^ b.keys()):
        return Difference(math.inf, lacking[0])
    return max(Difference(relative_error(a[name], b[name]), name) for name in a)


if __name__ == "__main__":
    sys.exit(main())
