"""How a training step grows with the sizes of a model: python -m lessons.growth

Each size in turn is halved twice and doubled twice. Time is compared with the operations of the
matrix products, and memory with the number of activations. Run nothing else meanwhile.
"""

import sys
from dataclasses import dataclass
from typing import Literal

from lessons.command import PresetName, command
from lessons.printing import Lesson, table_of_numbers
from lessons.profile.growth import SIZES, measure_growth
from shared.config import DEFAULT_PRESET
from shared.protocol import BACKENDS

FORMULAS = """\
operations:  B T (6 P + 12 L T C), with P = 12 L C² + V C parameters
activations: L (16 B T C + B H T²) + 2 B T C + B T V numbers; PyTorch's kernel
             does not keep the B H T², and NumPy keeps 4 B T C more per block
"""


@dataclass(frozen=True)
class Options:
    preset: PresetName = DEFAULT_PRESET
    """The recipe in the middle."""
    backend: Literal["numpy", "torch", "jax", "all"] = "all"
    """The backend. all: all three."""


@command
def main(options: Options) -> int:
    backends = BACKENDS if options.backend == "all" else (options.backend,)
    costs = list(measure_growth(options.preset, backends))
    lesson = Lesson()
    lesson.say(FORMULAS)
    for size, letter in SIZES.items():
        time = table_of_numbers(letter, "GFLOP", *(f"{name} ms" for name in backends))
        memory = table_of_numbers(letter, *(f"{name} MiB" for name in backends))
        for row in (row for row in costs if row[0].size == size):
            work = row[0].operations / 1e9
            times = [1e3 * cost.seconds for cost in row]
            cells = [f"{ms:.1f} ({ms / work:.1f})" for ms in times]
            time.add_row(f"{row[0].value}", f"{work:.2f}", *cells)
            kept = [(cost.activations / 2**20, cost.activations / cost.predicted) for cost in row]
            cells = [f"{mib:.1f} ({ratio:.2f})" for mib, ratio in kept]
            memory.add_row(f"{row[0].value}", *cells)
        lesson.heading(f"{size}: time (milliseconds per GFLOP)")
        lesson.show(time)
        lesson.heading(f"{size}: activations (ratio to the formula)")
        lesson.show(memory)
    lesson.look("the numbers in brackets. If they are constant, the formula predicts the growth.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
