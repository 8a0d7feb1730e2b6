"""The small model behind the interactive figures: trained once for all of them."""

import numpy as np
from jaxtyping import Int
from threadpoolctl import threadpool_limits

from docs.data import DIRECTORY, Producer, make
from lessons.alone import run_alone
from shared.checkpoints.checkpoint import Checkpoint
from shared.checkpoints.directories import newest_checkpoint
from shared.commands.terminal import OK
from shared.commands.train import train_main
from shared.commands.trained import load_trained
from shared.errors import RunError
from shared.sources import ROOT
from shared.text.tokenizers import Tokenizer

OPTIONS = ("--preset", "classroom", "--dataset", "playlets")
"""Small enough to train during a build, on a text that needs no download."""
Ids = Int[np.ndarray, " T"]
RUN = DIRECTORY / "trained"
RUN_NAME = RUN.relative_to(ROOT).as_posix()
"""An ordinary run, so that a reader can sample from it: `--run build/docs-data/trained`."""


def trained() -> tuple[Checkpoint, Tokenizer]:
    """The model, trained first if missing or old. Raises `RunError` if it cannot be trained."""
    if newest_checkpoint(RUN) is None:  # the run was removed: remove its record too
        PRODUCER.path.unlink(missing_ok=True)
    if failures := make([PRODUCER]):
        raise RunError(failures[0])
    return load_trained("numpy", RUN)


def measure() -> str:
    """Train in NumPy, which is always installed. Any backend can load the weights."""
    if run_alone(train, [*OPTIONS, "--out", str(RUN), "--overwrite"]) != OK:
        raise RunError("its training did not finish")
    return RUN_NAME


def train(options: list[str]) -> int:
    """Train as `python -m impls.numpy.train` does, on one core. Returns the exit status. A second
    core gains almost nothing; if another program uses it, training takes ten times as long."""
    with threadpool_limits(1):
        return train_main("numpy", options)


PRODUCER = Producer("trained", "a model to play with, a quarter of a minute", measure)
