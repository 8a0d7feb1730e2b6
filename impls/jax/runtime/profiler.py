"""Where the time and memory of a training step go, from XLA's profiler and its compiled program."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Int

from ..step import train_step

if TYPE_CHECKING:
    from ..backend import JaxTrainer

FRAME = re.compile(r"^(\d+) \{file_location_id=(\d+) parent_frame_id=(\d+)\}", re.MULTILINE)
LOCATION = re.compile(r"^(\d+) \{file_name_id=\d+ function_name_id=(\d+) ", re.MULTILINE)
FUNCTION = re.compile(r'^(\d+) "(.*)"$', re.MULTILINE)
INSTRUCTION = re.compile(r"^ *(?:ROOT )?%?([\w.-]+) = .*stack_frame_id=(\d+)", re.MULTILINE)


def profile_time(
    trainer: "JaxTrainer",
    tokens: Int[np.ndarray, "B T"],
    targets: Int[np.ndarray, "B T"],
    steps: int,
) -> dict[str, float]:
    """Seconds per step by the functions, outermost first, that an operation of the compiled program
    comes from. A fused operation counts towards the last of its functions.

    Operations run in parallel on several threads. Each gets its share of the time in which any of
    them runs.
    """
    origins = _origins(_compile(trainer, tokens, targets).as_text())
    with TemporaryDirectory() as directory:
        with jax.profiler.trace(directory):
            for _ in range(steps):
                trainer.step(tokens, targets)
        (file,) = Path(directory).rglob("*.xplane.pb")
        planes = jax.profiler.ProfileData.from_file(str(file)).planes
        events = sorted(
            (event.start_ns, event.end_ns, str(stats["hlo_op"]))
            for plane in planes
            for line in plane.lines
            for event in line.events
            if "hlo_op" in (stats := dict(event.stats))
        )
    seconds: dict[str, float] = {}
    busy = until = 0.0
    for start, end, operation in events:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
        name = origins.get(operation, operation)
        seconds[name] = seconds.get(name, 0.0) + end - start
    scale = busy / sum(seconds.values()) / 1e9 / steps
    return {name: scale * value for name, value in seconds.items()}


def activation_bytes(
    trainer: "JaxTrainer", tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
) -> int:
    """The memory that the compiled step needs besides its arguments and results: activations and
    gradients, in buffers that XLA plans ahead and reuses."""
    return _compile(trainer, tokens, targets).memory_analysis().temp_size_in_bytes


def _compile(
    trainer: "JaxTrainer", tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
) -> jax.stages.Compiled:
    return train_step.lower(*trainer.arguments(tokens, targets, lr=1.0)).compile()


def _origins(program: str) -> dict[str, str]:
    """The functions that each instruction of an optimized HLO program comes from."""
    functions = {n: name.partition(".<locals>")[0] for n, name in FUNCTION.findall(program)}
    locations = dict(LOCATION.findall(program))
    frames = {number: (place, parent) for number, place, parent in FRAME.findall(program)}

    def path(frame: str) -> str:
        place, parent = frames[frame]
        parent = str(int(parent) - 1)  # 0 means none
        name = functions[locations[place]]
        outer = path(parent) if parent in frames else ""
        return outer if outer.endswith(name) else f"{outer} > {name}"

    found = INSTRUCTION.findall(program)
    return {name: path(frame).rpartition("train_step > ")[2] for name, frame in found}
