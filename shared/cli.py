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

from shared.backend import load_backend
from shared.errors import RunError, UserError
from shared.options import (
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
    options, checkpoint = parse_train(backend, argv, _newest)
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
            display=display,
        )
    _summarize(result, ready, run, backend)
    return INTERRUPTED if result.stopped else OK


def _sample(backend: str, argv: Sequence[str] | None) -> int:
    options = parse_sample(backend, argv)
    if not options.prompt:
        raise UsageError("the prompt is empty: there is no token to go on from")
    checkpoint = load_checkpoint(_checkpoint_directory(backend, options))
    tokenizer, config = checkpoint.tokenizer, checkpoint.config
    if tokenizer is None:
        raise RunError(f"{options.run} has no tokenizer.json: its tokens are not known")
    prompt_length = len(tokenizer.encode(options.prompt))
    if prompt_length > config.block_size:
        say(
            f"note: the prompt has {prompt_length} tokens; the model sees only the last "
            f"{config.block_size} of them (block_size)"
        )
    model = load_backend(backend).build(
        config,
        checkpoint.weights,
        dtype=options.dtype or checkpoint.dtype,
        device=options.device,
    )
    samples = sample_texts(model, tokenizer, options.prompt, options.sampling, options.num_samples)
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")  # what it cannot show
        else:
            # The same bytes whatever the locale, so that texts can be compared.
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    write_samples(samples, options.prompt)
    return OK


def _newest(run: Path) -> Checkpoint:
    """The checkpoint to resume from. Raises `RunError` if there is none."""
    path = newest_checkpoint(run)
    if path is None:
        raise RunError(
            f"{run} holds no checkpoint to resume from; start anew, without --resume "
            f"(and with --overwrite if a training was broken off there)"
        )
    return load_checkpoint(path)


def _checkpoint_directory(backend: str, options: SampleOptions) -> Path:
    """What to sample from: `options.run` itself or its newest checkpoint."""
    if (options.run / "config.json").exists():
        return options.run
    path = newest_checkpoint(options.run)
    if path is None:
        out = (
            "" if options.run == default_run(backend) else f" --out {shlex.quote(str(options.run))}"
        )
        raise RunError(
            f"{options.run} holds no trained model; train one: {program(backend, 'train')}{out}"
        )
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


def _summarize(result: TrainingResult, ready: Preparation, run: RunDirectory, backend: str) -> None:
    """Say how it ended, and what to do next."""
    default = run.path == default_run(backend)
    if result.stopped:
        out = "" if default else f" --out {shlex.quote(str(run.path))}"
        say(
            f"stopped at step {result.last.step:,}; saved {result.checkpoint}\n"
            f"go on with: {program(backend, 'train')}{out} --resume"
        )
        return
    if result.last.val_loss is not None:
        floor = "" if ready.data.floor is None else f"; the floor is {ready.data.floor:.4f}"
        say(
            f"validation loss {result.last.val_loss:.4f} nats per token, "
            f"{result.last.bits_per_byte:.4f} bits per byte{floor}"
        )
    where = "" if default else f" --run {shlex.quote(str(run.path))}"
    say(f"saved {result.checkpoint}; curves in {run.plot}")
    say(f"sample from it: {program(backend, 'sample')}{where} --max-new-tokens 300")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
