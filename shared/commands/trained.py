"""Load a trained model: the newest checkpoint of a run, or a checkpoint itself."""

import shlex
from pathlib import Path

from shared.checkpoints import parts
from shared.checkpoints.checkpoint import Checkpoint, load_checkpoint, newest_checkpoint
from shared.commands.options import default_run, program
from shared.commands.terminal import say
from shared.errors import CheckpointError, RunError
from shared.memory import check_model_memory
from shared.text.tokenizers import Tokenizer
from shared.text.utf8 import Text


def load_trained(backend: str, run: Path) -> tuple[Checkpoint, Tokenizer]:
    """Load the newest checkpoint of a run, or the checkpoint that `run` itself is.

    Raises:
        RunError: nothing was trained there (the message says how to), or there is no tokenizer.
        CheckpointError: the checkpoint is damaged, or is not one.
        ConfigError: the model is larger than the memory.
    """
    checkpoint = _load_newest(_checkpoint_directory(backend, run))
    if checkpoint.tokenizer is None:
        raise RunError(
            f"{run} has no tokenizer.json, nor vocab.json and merges.txt: its tokens are not known"
        )
    check_model_memory(checkpoint.config, checkpoint.dtype)
    if checkpoint.stored_as not in (None, checkpoint.dtype):
        say(f"note: the weights are stored in {checkpoint.stored_as}, and read as float32")
    return checkpoint, checkpoint.tokenizer


def note_special_tokens(tokenizer: Tokenizer, text: Text, where: str) -> None:
    """Print a note if a text spells out a special token, which other programs would read as one."""
    if found := tokenizer.special_spellings(text):
        say(f"note: {', '.join(map(repr, found))} in {where} is text here, no special token")


def check_exists(directory: Path) -> None:
    """Raise `RunError`, which says how to download a model from the Hub, if there is no such
    directory."""
    if not directory.exists():
        raise RunError(
            f"there is no directory {directory}; a model on the Hugging Face Hub becomes one with: "
            f"hf download NAME --local-dir DIR (GPT-2 also with: python -m lessons.gpt2)"
        )


def newest(run: Path) -> Checkpoint:
    """The checkpoint to resume from. Raises `RunError` if there is none."""
    path = newest_checkpoint(run)
    if path is None:
        raise RunError(
            f"{run} holds no checkpoint to resume from; start without --resume "
            f"(and with --overwrite if a training was broken off there)"
        )
    return _load_newest(path)


def _load_newest(path: Path) -> Checkpoint:
    """Load a run's newest checkpoint. If it is damaged, the message names the one before it."""
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        steps = [other for other in path.parent.iterdir() if other.name.isdigit()]
        older = [other for other in steps if path in steps and int(other.name) < int(path.name)]
        if not older:
            raise
        before = max(older, key=lambda other: int(other.name))
        raise CheckpointError(
            f"{error}\nThe one before it may be sound: move the damaged one away to use {before}"
        ) from error


def _checkpoint_directory(backend: str, run: Path) -> Path:
    """What to load: `run` itself, its newest checkpoint, or the directory of a file."""
    if run.is_file() or run.name == "checkpoints":
        run = run.parent
    if any(parts.exists(run, name) for name in (parts.CONFIG, *parts.WEIGHTS)):
        return run
    path = newest_checkpoint(run)
    if path is None:
        if run != default_run(backend) and not run.parent.exists():  # perhaps a name on the Hub
            check_exists(run)
        out = "" if run == default_run(backend) else f" --out {shlex.quote(str(run))}"
        raise RunError(f"{run} holds no trained model; train one: {program(backend, 'train')}{out}")
    return path
