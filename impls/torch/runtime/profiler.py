"""Where the time and memory of a training step go, from torch.profiler and autograd."""

import os
import re
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.profiler import ProfilerActivity

from ..model import cross_entropy

if TYPE_CHECKING:
    from ..backend import TorchTrainer


def profile_time(
    trainer: "TorchTrainer",
    tokens: Int[np.ndarray, "B T"],
    targets: Int[np.ndarray, "B T"],
    steps: int,
) -> dict[str, float]:
    """Seconds per step by operation, without the operations it calls. A compiled model has few:
    whatever Inductor compiles counts as one."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # no messages at start and stop
    with torch.profiler.profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        for _ in range(steps):
            trainer.step(tokens, targets)
    seconds = {e.key: e.self_cpu_time_total / 1e6 / steps for e in profiler.key_averages()}
    # Inductor names compiled code by a hash of forty letters.
    return {re.sub(r"## Call (\w+ \w{4}).*", r"\1", name): s for name, s in seconds.items()}


def activation_bytes(
    trainer: "TorchTrainer", tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
) -> int:
    """The memory that autograd keeps for the backward pass, except for the weights themselves."""
    model = trainer.model
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.gpt.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = cross_entropy(model.gpt(model.tensor(tokens)), model.tensor(targets))
    del loss  # kept until here, so that no two storages have the same address
    return sum(kept.values())
