"""training.json: where in which training a checkpoint was taken."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from shared.checkpoints.untrusted import parse_object, refuse, show
from shared.config import Dtype, TrainConfig
from shared.errors import ConfigError


@dataclass(frozen=True)
class TrainingRecord:
    """What a run must know to go on exactly where it stopped, besides the tensors.

    Raises `ConfigError` for a value that no training can have had.
    """

    step: int
    """Updates done, below 2^63."""
    seed: int
    """The seed of the run; the same as in `train`, where a reader may not look for it."""
    dataset: str
    """The name or the path it was asked for by."""
    dataset_sha256: str
    """Of the text, in hexadecimal."""
    train: TrainConfig
    tokenizer: str
    """The kind: byte, char, word or bpe."""
    backend: str
    """The backend that did the last step."""
    dtype: Dtype
    val_loss: float | None
    """Nats per token on the validation split, if it was evaluated at this step."""
    versions: dict[str, str]
    """Of Python and of the libraries that took part."""
    init_from: str | None = None
    """Fine-tuning: the run or checkpoint that the weights of step 0 are of. None: new weights."""
    init_from_sha256: str | None = None
    """Fine-tuning: the content hash of these weights, in hexadecimal."""

    def __post_init__(self) -> None:
        if type(self.step) is not int or not 0 <= self.step < 2**63:
            raise ConfigError(f"step: expected a whole number from 0, found {show(self.step)}")
        if type(self.train) is not TrainConfig:
            raise ConfigError(f"train: expected a TrainConfig, found {show(self.train)}")
        if type(self.seed) is not int or self.seed != self.train.seed:
            raise ConfigError(f"seed: expected {self.train.seed}, found {show(self.seed)}")
        for name in ("dataset", "tokenizer", "backend"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigError(f"{name}: expected a name, found {show(getattr(self, name))}")
        self._check_hash("dataset_sha256")
        if self.init_from is not None or self.init_from_sha256 is not None:
            if not isinstance(self.init_from, str) or not self.init_from:
                raise ConfigError(f"init_from: expected a path, found {show(self.init_from)}")
            self._check_hash("init_from_sha256")
        if self.dtype not in get_args(Dtype):
            raise ConfigError(
                f"dtype: expected {' or '.join(get_args(Dtype))}, found {show(self.dtype)}"
            )
        loss = self.val_loss
        if loss is not None and not (_is_number(loss) and math.isfinite(loss)):
            raise ConfigError(f"val_loss: expected a finite number, found {show(loss)}")
        if not isinstance(self.versions, dict) or not all(
            isinstance(text, str) for item in self.versions.items() for text in item
        ):
            raise ConfigError(f"versions: expected names and texts, found {show(self.versions)}")

    def _check_hash(self, name: str) -> None:
        sha256 = getattr(self, name)
        if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ConfigError(f"{name}: expected 64 hexadecimal digits, found {show(sha256)}")

    def to_json(self) -> bytes:
        """Indented JSON with sorted keys: two of them can be compared with `diff`."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, file: Path, data: bytes) -> "TrainingRecord":
        """What `to_json` wrote. Raises `CheckpointError` for anything else."""
        table = _BEFORE_FINE_TUNING | parse_object(file, data)
        _exact_keys(file, "", table, cls)
        if not isinstance(table["train"], dict):
            refuse(file, f"train: expected a JSON object, found {show(table['train'])}")
        train: dict[str, Any] = {"accumulate": 1} | table["train"]  # older ones do not say
        _exact_keys(file, "train: ", train, TrainConfig)
        try:
            return cls(**table | {"train": TrainConfig(**train)})
        except ConfigError as error:
            refuse(file, error)


_BEFORE_FINE_TUNING: dict[str, Any] = {"init_from": None, "init_from_sha256": None}
"""What records that were written before there was fine-tuning do not say."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exact_keys(file: Path, where: str, table: Mapping[str, Any], cls: Any) -> None:
    expected = {field.name for field in fields(cls)}
    if missing := sorted(expected - set(table)):
        refuse(file, f"{where}the key {missing[0]} is missing")
    if unknown := sorted(set(table) - expected):
        refuse(file, f"{where}the key {show(unknown[0])} is unknown")
