"""Where the time and memory of a training step go: python -m lessons.profile --backend all

Each framework is asked with its own tool: Python's profiler for NumPy, torch.profiler, and XLA's
profiler with the compiled program. What they find is sorted by the parts of a GPT. Memory is also
predicted by a formula.
"""

import sys
from dataclasses import dataclass
from typing import Literal

from lessons.command import PresetName, command
from lessons.printing import Lesson, table_of_numbers
from lessons.profile.measuring import ALL, PARTS, REST, profile_all
from shared.config import DEFAULT_PRESET
from shared.errors import ConfigError


@dataclass(frozen=True)
class Options:
    backend: Literal["numpy", "torch", "torch@compile", "jax", "all"] = "all"
    """The backend. all: all three, and PyTorch compiled."""
    preset: PresetName = DEFAULT_PRESET
    """The recipe whose training step is taken apart."""
    operations: int = 5
    """Show the N most expensive operations of each backend, too."""


@command
def main(options: Options) -> int:
    if options.operations < 0:
        raise ConfigError(f"operations is {options.operations}; it must be 0 or more")
    found = profile_all(options.preset, ALL if options.backend == "all" else (options.backend,))
    lesson = Lesson()
    time_table = table_of_numbers("milliseconds", *found)
    for part in (*PARTS, REST):
        own = [profile.parts.get(part, 0.0) for profile in found.values()]
        if any(own):
            time_table.add_row(part, *(f"{1e3 * value:.2f}" if value else "–" for value in own))
    time_table.add_section()
    time_table.add_row("a step", *(f"{1e3 * profile.step:.2f}" for profile in found.values()))
    lesson.heading("Time")
    lesson.show(time_table)
    for name, profile in found.items():
        if options.operations:
            most = table_of_numbers(name, "ms", box=None)
            for operation, seconds in list(profile.operations.items())[: options.operations]:
                innermost = " > ".join(operation.split(" > ")[-2:])
                most.add_row(innermost, f"{1e3 * seconds:.2f}")
            lesson.show(most)
    memory = table_of_numbers("MiB", *found)
    for what, sizes in (
        ("weights", [profile.weights for profile in found.values()]),
        ("gradients", [profile.weights for profile in found.values()]),
        ("moments", [2 * profile.weights for profile in found.values()]),
        ("activations by formula", [profile.predicted for profile in found.values()]),
        ("activations measured", [profile.activations for profile in found.values()]),
    ):
        memory.add_row(what, *(f"{size / 2**20:.1f}" for size in sizes))
    lesson.heading("Memory")
    lesson.show(memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
