"""What the command lines of the lessons have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.options import BackendName, DatasetName, Device
from shared.commands.options import command as command
from shared.config import DEFAULT_PRESET, Dtype, preset_names
from shared.errors import BackendError
from shared.protocol import Model, claimed, load_backend

PresetName = Annotated[str, arg(metavar="|".join(preset_names()))]


@dataclass(frozen=True)
class ModelOptions:
    """The trained model, and what computes it."""

    backend: BackendName = "torch"
    """The backend to compute with."""
    run: Annotated[Path | None, arg(metavar="DIR")] = None
    """A run of any backend, or a checkpoint, such as GPT-2's. Default: runs/BACKEND."""
    dtype: Dtype | None = None
    """Precision to compute in. Default: the checkpoint's."""
    device: Device = "cpu"
    """Device to compute on, by the backend's name for it."""


@dataclass(frozen=True)
class TrainingOptions:
    """What to train on, and how."""

    dataset: DatasetName = "auto"
    """auto: tinyshakespeare if available, otherwise playlets. FILE: any UTF-8 text."""
    preset: PresetName = DEFAULT_PRESET
    """The recipe."""
    seed: int = 1337
    """Seed of the initial weights and of the order of the batches."""


def build_model(options: ModelOptions, checkpoint: Checkpoint) -> Model:
    """A checkpoint's model, as the options ask. Raises `BackendError` if it has no `trace`."""
    backend = load_backend(options.backend)
    dtype = options.dtype or checkpoint.dtype
    model = backend.build(checkpoint.config, checkpoint.weights, dtype=dtype, device=options.device)
    if "trace" not in claimed(backend, model):
        raise BackendError(f"backend {options.backend!r} has no trace")
    return model
