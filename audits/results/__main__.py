"""Train every preset in every backend, and write the table of the README: python -m audits.results

Trainings run one after another in separate processes, as with their command lines. Results from the
same sources are reused: after Ctrl-C, the next run continues. Prints the table on standard output.
Exit status 1: a preset is not clearly better than the bigram.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import UseAppendAction

from audits.readme import README, update_readme
from audits.results import record
from audits.results.record import PresetNames, Result
from audits.results.table import markdown
from audits.results.training import train_preset
from lessons.alone import run_alone
from lessons.command import command
from shared.commands.terminal import end_of_checks, say
from shared.protocol import BACKENDS
from shared.text.datasets import load_dataset


@dataclass(frozen=True)
class Options:
    preset: PresetNames = ()
    """A preset. By default all but `baby-gpt`."""
    backend: UseAppendAction[tuple[Literal["numpy", "torch", "jax"], ...]] = ()
    """A backend. By default all three."""
    dataset: Literal["auto", "tinyshakespeare", "playlets"] = "auto"
    """auto: tinyshakespeare if available, otherwise playlets."""


@command
def main(options: Options) -> int:
    presets = record.chosen(options.preset)
    backends = [name for name in BACKENDS if not options.backend or name in options.backend]
    dataset = load_dataset(options.dataset)
    end_of_checks()
    say(f"data: {dataset.note}")
    results, wanted = record.read_results(record.RESULTS), []
    of_these = [r for r in results if r.sources == record.fingerprint(r.backend)]
    known = {(r.preset, r.backend): r for r in of_these if r.dataset == dataset.name}
    for preset in dict.fromkeys(presets):
        for backend in backends:
            result = known.get((preset, backend))
            if result is None:
                result = _train(preset, backend, dataset.name)
                results = record.add(results, result)
                record.write_results(results, record.RESULTS)
            else:
                say(f"{preset}, {backend}: trained before, from the same sources")
            wanted.append(result)
            # Each time: if it is stopped, both files agree.
            update_readme(README, "results", markdown(results))
    print(markdown(wanted), end="")
    weak = [f"{result.preset} in {result.backend}" for result in wanted if not result.good]
    if weak:
        than = f"than the bigram (over {record.MARGIN:.0%} of its loss)"
        say(f"not clearly better {than}: {', '.join(weak)}")
    return 1 if weak else 0


def _train(preset: str, backend: str, dataset: str) -> Result:
    say(f"\n{preset}, {backend}")
    run = Path("runs", "results", f"{preset}-{backend}")  # stays, so that you can sample from it
    return run_alone(train_preset, preset, backend, dataset, run)


if __name__ == "__main__":
    sys.exit(main())
