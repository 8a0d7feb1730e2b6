"""The command `train`, the same for every backend: `python -m impls.NAME.train`."""

import shlex
from collections.abc import Sequence

from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.options import RunOptions, SampleOptions, default_run, parse_train, program
from shared.commands.prepare import Preparation, prepare
from shared.commands.terminal import INTERRUPTED, OK, end_of_checks, say
from shared.commands.together import Together
from shared.commands.trained import check_exists, load_trained, newest, note_special_tokens
from shared.errors import ConfigError
from shared.protocol import load_backend
from shared.runs.directory import RunDirectory
from shared.runs.loop import TrainingResult, train
from shared.runs.progress import progress_display
from shared.runs.stopping import stop_on_signals
from shared.text.fine_tuning import note_of_unknown_words
from shared.text.utf8 import slices


def train_main(backend: str, argv: Sequence[str] | None = None) -> int:
    """Train a model as the command line says. Returns the exit status."""
    together = Together()
    return together.run(backend, lambda: _train(backend, argv, together))


def _train(backend: str, argv: Sequence[str] | None, together: Together) -> int:
    options, checkpoint = parse_train(backend, argv, lambda asked: _beginning(backend, asked))
    world = together.world
    if world.size > options.train.batch_size:
        raise ConfigError(
            f"a batch of {options.train.batch_size} cannot be divided among {world.size} "
            f"processes: each needs a row"
        )
    run = RunDirectory(options.run.out)
    mode = {"resume": options.run.resume, "overwrite": options.run.overwrite}
    run.check_writable_as(**mode)
    ready = prepare(backend, options, checkpoint)
    # Frameworks are slow to import: what can be checked without one was checked above.
    modes = "+".join(mode for mode in ("compile", "fsdp") if getattr(options.run, mode))
    loaded = load_backend(f"{backend}@{modes}" if modes else backend)
    world = together.join(loaded)
    model = loaded.build(
        ready.config, ready.weights, dtype=options.run.dtype, device=options.run.device
    )
    end_of_checks()
    _describe(ready, options.run, run, world.size)
    done = ready.start.step if ready.start else 0
    with (
        together.writing(run, **mode),
        stop_on_signals(announce=world.rank == 0) as stop,
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
            world=world,
        )
    _summarize(result, ready, run, backend)
    return INTERRUPTED if result.stopped and not result.reason else OK


def _beginning(backend: str, asked: RunOptions) -> Checkpoint:
    """The checkpoint to start training from. Raises `RunError` if there is none."""
    if asked.init_from is not None:
        check_exists(asked.init_from)
        return load_trained(backend, asked.init_from)[0]
    return newest(asked.out)


def _describe(ready: Preparation, options: RunOptions, run: RunDirectory, processes: int) -> None:
    """Say what is about to be trained, and on what."""
    config, train, data = ready.config, ready.record.train, ready.data
    parameters = sum(array.size for array in ready.weights.values())
    divided = f" in {processes} processes" if processes > 1 else ""
    goes_on = f", going on at step {ready.start.step:,}" if ready.start else ""
    say(
        f"data      {ready.dataset.note}\n"
        f"          {len(data.train):,} tokens to train on, {len(data.val):,} to validate on "
        f"({ready.tokenizer.kind}, {config.vocab_size:,} different)\n"
        f"model     {parameters:,} parameters: n_layer {config.n_layer}, n_head {config.n_head}, "
        f"n_embd {config.n_embd}, block_size {config.block_size}\n"
        f"training  {ready.record.backend} on {options.device} in {ready.record.dtype}"
        f"{', compiled' if options.compile else ''}: {train.steps:,} steps of "
        f"{train.batch_size} × {config.block_size} tokens{divided} to {run.path}{goes_on}"
    )
    note_special_tokens(ready.tokenizer, ready.dataset.contents, ready.dataset.name)
    if ready.record.init_from is not None and ready.start is None:
        say(
            f"weights   those of {ready.record.init_from}: the validation loss of step 0 is theirs "
            f"on this text, before any training"
        )
        if note := note_of_unknown_words(ready.tokenizer, ready.dataset):
            say(note)


def _summarize(result: TrainingResult, ready: Preparation, run: RunDirectory, backend: str) -> None:
    """Say how it ended, and what to do next."""
    if result.undrawn:
        say(f"note: {run.plot} was not drawn: {result.undrawn}")
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
        if result.band is not None:
            say(result.band.verdict(result.last.step, result.last.val_loss))
    where = "" if default else f" --run {shlex.quote(str(run.path))}"
    if ready.tokenizer.unknown_characters(SampleOptions.prompt):
        first = next(part for _, part in slices(ready.dataset.contents))[:1]
        where += f" --prompt {shlex.quote(first)}"
    curves = "" if result.undrawn else f"; curves in {run.plot}"
    say(f"saved {result.checkpoint}{curves}")
    say(f"sample from it: {program(backend, 'sample')}{where} --max-new-tokens 300")
