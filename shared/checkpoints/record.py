"""training.json: from which training run, and at which step, a checkpoint was taken."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from shared.checkpoints.untrusted import parse_object, refuse, show
from shared.config import LARGEST, Dtype, Natural, TrainConfig, check_fields
from shared.errors import ConfigError

Name = Annotated[str, Meta(min_length=1, description="a name")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", description="64 hexadecimal digits")]
Finite = Annotated[float, Meta(ge=-LARGEST, le=LARGEST, description="a finite number")]
Versions = Annotated[dict[str, str], Meta(description="names and texts")]


@dataclass(frozen=True)
class TrainingRecord:
    """What a run needs, besides the tensors, to resume exactly where it stopped.

    Raises `ConfigError` for an impossible value.
    """

    step: Natural
    """Updates done, below 2^63."""
    seed: Natural
    """The seed of the run, as in `train`; repeated here, where readers look for it."""
    dataset: Name
    """The requested name or path."""
    dataset_sha256: Sha256
    """Of the text, in hexadecimal."""
    train: TrainConfig
    tokenizer: Name
    """The kind: byte, char, word or bpe."""
    backend: Name
    """The backend that did the last step."""
    dtype: Dtype
    val_loss: Finite | None
    """Nats per token on the validation split, if it was evaluated at this step."""
    versions: Versions
    """Of Python and of the libraries involved."""
    init_from: Name | None = None
    """Fine-tuning: the run or checkpoint that gave the weights of step 0. None: new weights."""
    init_from_sha256: Sha256 | None = None
    """Fine-tuning: the content hash of these weights, in hexadecimal."""

    def __post_init__(self) -> None:
        if type(self.train) is not TrainConfig:
            raise ConfigError(f"train is {show(self.train)}; it must be a TrainConfig")
        check_fields(self)
        if self.seed != self.train.seed:
            raise ConfigError(f"seed is {self.seed}; it must be {self.train.seed}, that of train")
        if (self.init_from is None) != (self.init_from_sha256 is None):
            raise ConfigError("init_from and init_from_sha256 need each other")

    def to_json(self) -> bytes:
        """Indented JSON with sorted keys, so that two records can be compared with `diff`."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, file: Path, data: bytes) -> "TrainingRecord":
        """What `to_json` wrote. Raises `CheckpointError` for anything else."""
        table = _BEFORE_FINE_TUNING | parse_object(file, data)
        _exact_keys(file, "", table, cls)
        if not isinstance(table["train"], dict):
            refuse(file, f"train: expected a JSON object, found {show(table['train'])}")
        train: dict[str, Any] = {"accumulate": 1} | table["train"]  # older records lack it
        _exact_keys(file, "train: ", train, TrainConfig)
        try:
            return cls(**table | {"train": TrainConfig(**train)})
        except ConfigError as error:
            refuse(file, error)


_BEFORE_FINE_TUNING: dict[str, Any] = {"init_from": None, "init_from_sha256": None}
"""Keys that records from before fine-tuning lack."""


def _exact_keys(file: Path, where: str, table: Mapping[str, Any], cls: Any) -> None:
    expected = {field.name for field in fields(cls)}
    if missing := sorted(expected - set(table)):
        refuse(file, f"{where}the key {missing[0]} is missing")
    if unknown := sorted(set(table) - expected):
        refuse(file, f"{where}the key {show(unknown[0])} is unknown")
