"""The command lines, the same for every backend: `python -m impls.NAME.train` and `.sample`.

Standard output is for results (sampled text, help); everything else goes to standard error. Exit
status 0 is success, 2 an error of the user's, 130 a stop by Ctrl-C.
"""

import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from shared.backend import load_backend
from shared.errors import CheckpointError, RunError, TokenizerError, UserError
from shared.fine_tuning import note_of_unknown_words
from shared.next_tokens import show_next_tokens
from shared.options import (
    RunOptions,
    SampleOptions,
    UsageError,
    default_run,
    parse_sample,
    parse_train,
    program,
)
from shared.prepare import Preparation, prepare
from shared.progress import progress_display
from shared.run_directory import RunDirectory
from shared.sampling import sample_texts, write_samples
from shared.stopping import stop_on_signals
from shared.tokenizers import Tokenizer
from shared.training import TrainingResult, train
from shared.weights import Checkpoint, load_checkpoint, newest_checkpoint

OK, USER_ERROR = 0, 2
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE


def train_main(backend: str, argv: Sequence[str] | None = None) -> int:
    """Train a model as the command line says. Returns the exit status."""
    return run_command(lambda: _train(backend, argv))


def sample_main(backend: str, argv: Sequence[str] | None = None) -> int:
    """Write text with a trained model as the command line says. Returns the exit status."""
    return run_command(lambda: _sample(backend, argv))


def run_command(command: Callable[[], int]) -> int:
    """Run a command; what the user can mend becomes a message without a traceback."""
    try:
        return command()
    except UserError as error:
        say(f"error: {error}")
        return USER_ERROR
    except MemoryError as error:
        say(f"error: not enough memory: {error}")
        return USER_ERROR
    except KeyboardInterrupt:
        say("\nstopped")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (sample | head). Python would complain once more when it closes
        # standard output at exit, so it gets another one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:  # a full disk behind standard output, a name too long
        say(f"error: {error}")
        return USER_ERROR
    except SystemExit as end:  # after --help
        return int(end.code or OK)


def _train(backend: str, argv: Sequence[str] | None) -> int:
    options, checkpoint = parse_train(backend, argv, lambda asked: _beginning(backend, asked))
    run = RunDirectory(options.run.out)
    mode = {"resume": options.run.resume, "overwrite": options.run.overwrite}
    run.check_writable_as(**mode)
    ready = prepare(backend, options, checkpoint)
    # Frameworks are slow to import: first everything that could be wrong without one.
    model = load_backend(backend).build(
        ready.config, ready.weights, dtype=options.run.dtype, device=options.run.device
    )
    _describe(ready, options.run.device, run)
    done = ready.start.step if ready.start else 0
    with (
        run.claim(**mode),
        stop_on_signals() as stop,
        progress_display(done, options.train.steps) as display,
    ):
        result = train(
            model,
            ready.data,
            ready.tokenizer,
            ready.record,
            run,
            start=ready.start,
            stop=stop,
            limits=options.limits,
            display=display,
        )
    _summarize(result, ready, run, backend)
    return INTERRUPTED if result.stopped and not result.reason else OK


def _sample(backend: str, argv: Sequence[str] | None) -> int:
    options = parse_sample(backend, argv)
    checkpoint, tokenizer = load_trained(backend, options.run)
    ids = encode_prompt(tokenizer, options.prompt, checkpoint.config.block_size)
    model = load_backend(backend).build(
        checkpoint.config,
        checkpoint.weights,
        dtype=options.dtype or checkpoint.dtype,
        device=options.device,
    )
    same_output_everywhere()
    if options.top is not None:
        show_next_tokens(model, tokenizer, ids, options.sampling, options.top)
        return OK
    samples = sample_texts(model, tokenizer, options.prompt, options.sampling, options.num_samples)
    write_samples(samples, options.prompt)
    return OK


def load_trained(backend: str, run: Path) -> tuple[Checkpoint, Tokenizer]:
    """What `backend` is to go on from: the newest checkpoint of a run, or the one that `run` is.

    Raises:
        RunError: nothing was trained there (the message says how to), or no tokenizer was kept.
        CheckpointError: what is there is not a checkpoint as it was saved.
    """
    checkpoint = _load_newest(_checkpoint_directory(backend, run))
    if checkpoint.tokenizer is None:
        raise RunError(f"{run} has no tokenizer.json: its tokens are not known")
    return checkpoint, checkpoint.tokenizer


def encode_prompt(tokenizer: Tokenizer, prompt: str, block_size: int) -> Int[np.ndarray, " T0"]:
    """The ids of a prompt, all of them; a note says so if the model cannot see the first ones.

    Raises:
        UsageError: there is no token in it.
        TokenizerError: it has a character that the tokenizer does not know.
    """
    try:
        ids = tokenizer.encode(prompt)
    except TokenizerError as error:
        raise TokenizerError(f"the prompt {prompt!r} cannot be encoded: {error}") from None
    if not ids.size:
        raise UsageError("the prompt is empty: there is no token to go on from")
    if ids.size > block_size:
        say(
            f"note: the prompt has {ids.size} tokens; the model sees only the last "
            f"{block_size} of them (block_size)"
        )
    return ids


def same_output_everywhere() -> None:
    """Standard output in UTF-8 whatever the locale, so that texts can be compared."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")  # what it cannot show
        else:
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")


def _beginning(backend: str, asked: RunOptions) -> Checkpoint:
    """The checkpoint that a training is to begin with. Raises `RunError` if there is none."""
    if asked.init_from is not None:
        return load_trained(backend, asked.init_from)[0]
    return _newest(asked.out)


def _newest(run: Path) -> Checkpoint:
    """The checkpoint to resume from. Raises `RunError` if there is none."""
    path = newest_checkpoint(run)
    if path is None:
        raise RunError(
            f"{run} holds no checkpoint to resume from; start anew, without --resume "
            f"(and with --overwrite if a training was broken off there)"
        )
    return _load_newest(path)


def _load_newest(path: Path) -> Checkpoint:
    """A run's newest checkpoint. If it is damaged, the message names the one before it."""
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
    """What to load: `run` itself or its newest checkpoint."""
    if (run / "config.json").exists():
        return run
    path = newest_checkpoint(run)
    if path is None:
        out = "" if run == default_run(backend) else f" --out {shlex.quote(str(run))}"
        raise RunError(f"{run} holds no trained model; train one: {program(backend, 'train')}{out}")
    return path


def _describe(ready: Preparation, device: str, run: RunDirectory) -> None:
    """Say what is about to be trained, and on what."""
    config, train, data = ready.config, ready.record.train, ready.data
    parameters = sum(array.size for array in ready.weights.values())
    goes_on = f", going on at step {ready.start.step:,}" if ready.start else ""
    say(
        f"data      {ready.dataset.note}\n"
        f"          {len(data.train):,} tokens to train on, {len(data.val):,} to validate on "
        f"({ready.tokenizer.kind}, {config.vocab_size:,} different)\n"
        f"model     {parameters:,} parameters: n_layer {config.n_layer}, n_head {config.n_head}, "
        f"n_embd {config.n_embd}, block_size {config.block_size}\n"
        f"training  {ready.record.backend} on {device} in {ready.record.dtype}: {train.steps:,} "
        f"steps of {train.batch_size} × {config.block_size} tokens to {run.path}{goes_on}"
    )
    if ready.record.init_from is not None and ready.start is None:
        say(
            f"weights   those of {ready.record.init_from}: the validation loss of step 0 is theirs "
            f"on this text, before any training"
        )
        if note := note_of_unknown_words(ready.tokenizer, ready.dataset):
            say(note)


def _summarize(result: TrainingResult, ready: Preparation, run: RunDirectory, backend: str) -> None:
    """Say how it ended, and what to do next."""
    default = run.path == default_run(backend)
    if result.stopped:
        out = "" if default else f" --out {shlex.quote(str(run.path))}"
        why = f": {result.reason}" if result.reason else ""
        say(
            f"stopped at step {result.last.step:,}{why}; saved {result.checkpoint}\n"
            f"go on with: {program(backend, 'train')}{out} --resume"
        )
        return
    if result.last.val_loss is not None:
        floor = "" if ready.data.floor is None else f"; the floor is {ready.data.floor:.4f}"
        before = result.first.val_loss if ready.record.init_from is not None else None
        change = "" if before is None else f"{before:.4f} before, "
        after = "" if before is None else " after, in"
        say(
            f"validation loss {change}{result.last.val_loss:.4f}{after} nats per token, "
            f"{result.last.bits_per_byte:.4f} bits per byte{floor}"
        )
    where = "" if default else f" --run {shlex.quote(str(run.path))}"
    if not _knows(ready.tokenizer, SampleOptions.prompt):
        where += f" --prompt {shlex.quote(ready.dataset.text[:1])}"
    say(f"saved {result.checkpoint}; curves in {run.plot}")
    say(f"sample from it: {program(backend, 'sample')}{where} --max-new-tokens 300")


def _knows(tokenizer: Tokenizer, text: str) -> bool:
    try:
        tokenizer.encode(text)
    except TokenizerError:
        return False
    return True


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
