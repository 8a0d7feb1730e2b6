"""One training, several backends, one after the other: python -m lessons.relay

Each backend continues from the checkpoint that the one before it left on disk, in a separate
process, as `train --resume` does: weights, moments and step all come from the files. For
comparison, the same training runs in every backend alone, from the first step to the last. If a
checkpoint holds everything that training depends on, the results agree. Exit status 1: they do not.
"""

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import arg

from conformance.limits import limit_of
from lessons.alone import run_alone
from lessons.command import PresetName, TrainingOptions, command
from lessons.printing import table_of_numbers
from lessons.relay.legs import Difference, Leg, Snapshot, apart, divide, snapshot, train_until
from shared.commands.options import Directory
from shared.commands.terminal import end_of_checks, say
from shared.config import load_preset
from shared.errors import RunError
from shared.protocol import load_backend
from shared.text.datasets import load_dataset

RELAY = "relay"
"""The directory of the relay. Those of the runs in one backend have its name."""

LIMIT = limit_of("200 steps: weights", "float64")
"""How far each tensor of the relay may be from that of a run in one backend, all in float64.

Measured by this command on tinyshakespeare: 1e-11 or less after 60 steps (seeds 1337 to 1341),
5.1e-11 after 200, 4.7e-11 after 600, all of it in key biases (conformance/limits.py says why). The
smallest fault, weights rounded to float32 at a hand-over, causes 2.4e-07; moments that are dropped,
or a step too many or too few, cause 0.9 and more."""


@dataclass(frozen=True)
class Options(TrainingOptions):
    """The backends, and the training."""

    order: Annotated[tuple[str, ...], arg(metavar="BACKEND BACKEND …")] = ("torch", "jax", "numpy")
    """The backends, a leg each. One may run several."""
    steps: int = 60
    """Optimizer steps of the whole relay. The learning rate's schedule is fitted to them."""
    preset: PresetName = "classroom"
    """The recipe."""
    out: Directory | None = None
    """Keep the runs in this directory. By default they are deleted."""


@command
def main(options: Options) -> int:
    """Run the relay as the options ask. Returns the exit status."""
    legs = divide(options.order, options.steps)
    for backend in options.order:
        load_backend(backend)  # a missing backend should fail now, not in the last leg
    out = options.out
    if out and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} is not an empty directory; the relay needs one of its own")
    with tempfile.TemporaryDirectory(prefix="minigpt-relay-") as temporary:
        relay, alone = run_all(out or Path(temporary), legs, options)
    judged = [
        {name: apart(there.tensors, ends[i].tensors) for name, ends in alone.items()}
        for i, there in enumerate(relay)
    ]
    agrees = largest(judged).size <= LIMIT
    line = agreement(judged) if agrees else disagreement(legs, judged)
    console = Console(highlight=False)
    console.print(render(legs, relay, judged))
    console.print(line, markup=False, soft_wrap=True)
    if out:
        say(f"the runs are in {out}")
    return 0 if agrees else 1


def run_all(
    out: Path, legs: Sequence[Leg], options: Options
) -> tuple[list[Snapshot], dict[str, list[Snapshot]]]:
    """Run the relay, and every backend of it alone, each in a separate process.

    Returns:
        The state after every leg: in the relay, and at the same steps in each backend alone.
    """
    beginning = training_options(legs, options)
    dataset = load_dataset(options.dataset)
    end_of_checks()
    say(f"data: {dataset.note}")
    relay = []
    for number, leg in enumerate(legs, start=1):
        say(f"leg {number} of {len(legs)}: {leg.backend}, steps {leg.first} to {leg.last}")
        given = beginning if number == 1 else ["--resume"]
        run_alone(train_until, leg.last, leg.backend, out / RELAY, given)
        relay.append(snapshot(out / RELAY, leg.last))
    alone = {}
    for backend in dict.fromkeys(options.order):
        say(f"beside it: {backend} alone, steps 1 to {options.steps}")
        run_alone(train_until, options.steps, backend, out / backend, beginning)
        alone[backend] = [snapshot(out / backend, leg.last) for leg in legs]
    return relay, alone


def training_options(legs: Sequence[Leg], options: Options) -> list[str]:
    """The options of `python -m impls.NAME.train` at the start. --resume reads them from the files.

    Raises `ConfigError` if there is no such preset.
    """
    load_preset(options.preset)
    return [
        *(f"--preset={options.preset}", f"--dataset={options.dataset}", f"--seed={options.seed}"),
        *(f"--steps={options.steps}", f"--eval-interval={options.steps}", "--dtype=float64"),
        f"--checkpoint-interval={legs[0].last}",  # so that all runs can be compared at its end
    ]


def largest(judged: Iterable[Mapping[str, Difference]]) -> Difference:
    """The largest difference of all legs, to any backend."""
    return max(found for row in judged for found in row.values())


def render(
    legs: Sequence[Leg], relay: Sequence[Snapshot], judged: Sequence[Mapping[str, Difference]]
) -> Table:
    """One row per leg, and how far it ends from the runs in one backend."""
    table = table_of_numbers(
        *("leg", "backend", "steps", "loss at the end"),
        *(f"from {escape(backend)} alone" for backend in judged[0]),
        words=2,
        title="One training handed from backend to backend, and the same in each alone",
        caption="Differences: the largest in weights and moments, relative. 0: the same bits.",
    )
    for number, (leg, there, row) in enumerate(zip(legs, relay, judged, strict=True), start=1):
        far = [f"{found.size:.1e}" if found.size else "0" for found in row.values()]
        steps = f"{leg.first:,}–{leg.last:,}"
        table.add_row(f"{number:3}", escape(leg.backend), steps, f"{there.loss:.6f}", *far)
    return table


def agreement(judged: Sequence[Mapping[str, Difference]]) -> str:
    """The conclusion if the relay agrees with the runs alone."""
    return (
        f"All weights and moments agree to {largest(judged).size:.1e}, where the limit is "
        f"{LIMIT:.0e}: nobody can tell that this training changed hands, so the files hold all "
        f"that it depends on. At the end the largest difference is in {largest(judged[-1:]).where}."
    )


def disagreement(legs: Sequence[Leg], judged: Sequence[Mapping[str, Difference]]) -> str:
    """Where the relay diverged from the others, and possible reasons."""
    number = next(i for i, row in enumerate(judged) if largest([row]).size > LIMIT)
    taker = legs[number].backend
    name, worst = max(judged[number].items(), key=lambda item: item[1].size)
    return (
        f"Beyond the limit of {LIMIT:.0e} from leg {number + 1} on, {taker}'s: {worst.size:.1e} "
        f"from {name} alone, in {worst.where}. Something is lost where {taker} takes over, unless "
        f"the backends differ by themselves (`nox -s conformance` would tell) or this recipe makes "
        f"rounding errors grow, as a high learning rate does: then try fewer steps."
    )


if __name__ == "__main__":
    sys.exit(main())
