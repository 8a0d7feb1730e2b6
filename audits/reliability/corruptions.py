"""Thousands of corrupted checkpoints: each loads as its exact contents, or is refused in one line.

Separate processes load them, so that a crash, a hang or unbounded memory is contained and reported.
The address space of such a process is limited to its size before, plus twice the files, `SPARE`,
and `TOKENIZER_FACTOR` times tokenizer.json. (The `tokenizers`
library builds Rust objects of fifty bytes for what may be one byte of that file, which is why
`shared.checkpoints.parts.TOKENIZER_LIMIT` is what it is.)
"""

import contextlib
import json
import os
import resource
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np

from audits.contained import work_off
from audits.reliability import Fault, Result, attempt
from audits.reliability.damage import DAMAGES, Rule, Scene, split
from audits.reliability.samples import Victim, same, victims
from shared.checkpoints import parts
from shared.checkpoints.checkpoint import Checkpoint, load_checkpoint
from shared.commands.options import UsageError
from shared.commands.terminal import say
from shared.errors import CheckpointError, TokenizerError
from shared.layout import tensor_shapes
from shared.text.tokenizers import Tokenizer

SECONDS = 20
"""A checkpoint of 30 KB takes milliseconds to load or to refuse; beyond this, loading hangs."""
SPARE = 64 * 2**20
TOKENIZER_FACTOR = 64


def try_corruptions(count: int, seed: int, processes: int, case: str | None) -> list[Result]:
    """Corrupt and load a checkpoint for every case; its number decides which and how."""
    if case is not None and not case.isdecimal():
        raise UsageError(f"there is no case {case!r} of corruptions: it is a number")
    cases = range(count) if case is None else [int(case)]
    say("corrupting checkpoints")
    # The libraries' backtraces take a hundred megabytes. Set once: the environment is shared.
    with mock.patch.dict(os.environ, RUST_BACKTRACE="0"):
        ends = work_off(partial(try_quietly, seed), cases, SECONDS, processes)
        return [Result(chosen(i)[0], str(i), x, True) if isinstance(x, str) else x for i, x in ends]


def chosen(case: int) -> tuple[str, Victim]:
    """The damage and the victim of a case: all pairs in turn."""
    names, sound = list(DAMAGES), victims()
    return names[case % len(names)], sound[case // len(names) % len(sound)]


def try_quietly(seed: int, case: int) -> Result:
    """Try a case in this process, which may write nothing to standard error."""
    with tempfile.TemporaryDirectory(prefix="corrupted-") as directory:
        stderr = Path(directory) / "stderr"
        with stderr.open("w") as file:
            os.dup2(file.fileno(), 2)
        result = try_case(seed, case, Path(directory))
        if said := stderr.read_text(errors="replace"):  # a user would see it
            return replace(result, how=f"on standard error: {said[:2000]}", fault=True)
        return result


def try_case(seed: int, case: int, directory: Path) -> Result:
    """Write the victim, corrupt it, load it, and judge the outcome."""
    damage, victim = chosen(case)
    path = Path(tempfile.mkdtemp(dir=directory)) / "checkpoint"
    path.mkdir()
    for name, content in victim.files.items():
        (path / name).write_bytes(content)
    others = [other for other in victims() if other is not victim]
    rule = DAMAGES[damage](Scene(path, victim, others, Random(f"{seed} {case}")))

    def judge() -> str:
        with memory_limit(path):
            loaded = load(path)
        if loaded is None:
            return "refused"
        check_loaded(loaded, path, rule, victim)
        return f"loaded {rule}"

    return attempt(damage, str(case), judge)


def load(path: Path) -> Checkpoint | None:
    """The checkpoint; None if it is properly refused, in one line."""
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        message = str(error)
    controls = [c for c in message if unicodedata.category(c) in ("Cc", "Cs")]
    if controls or len(message) > len(str(path)) + 500 or not message.startswith(str(path)):
        raise Fault(f"the message is not one clear line: {message!r}")
    return None


@contextlib.contextmanager
def memory_limit(path: Path) -> Iterator[None]:
    """Limit the memory of this process while it loads a checkpoint. (On Linux.)"""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    sizes = {p.name: p.stat().st_size for p in path.iterdir() if p.is_file() and not p.is_symlink()}
    present = int(statm.read_text().split()[0]) * resource.getpagesize()
    tokenizer = min(sizes.get(parts.TOKENIZER, 0), parts.TOKENIZER_LIMIT)
    allowed = 2 * min(sum(sizes.values()), SPARE) + SPARE + TOKENIZER_FACTOR * tokenizer
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (present + allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# What may be loaded, read independently of the loader


def demand(condition: bool, otherwise: str) -> None:
    """Raise `Fault` unless a condition of accepting a checkpoint holds."""
    if not condition:
        raise Fault(otherwise)


def check_loaded(loaded: Checkpoint, path: Path, rule: Rule, victim: Victim) -> None:
    """Raise `Fault` if a checkpoint should have been refused, or was loaded wrongly."""
    if rule == "as saved":
        demand(same(loaded, victim.checkpoint), "it was loaded, but not as what was saved")
        return
    config = json.loads((path / parts.CONFIG).read_bytes())
    for key in ("vocab_size", "n_positions", "n_layer", "n_head", "n_embd"):
        value = getattr(loaded.config, "block_size" if key == "n_positions" else key)
        demand(config[key] == value, f"{key} is {config[key]}, but {value} was loaded")
    shapes = {name: array.shape for name, array in loaded.weights.items()}
    demand(shapes == tensor_shapes(loaded.config), "the weights do not fit the configuration")
    check_tensors(loaded.weights, path / parts.MODEL)
    if moments := parts.join_moments(loaded.moments or {}):
        check_tensors(moments, path / parts.OPTIMIZER)
    if loaded.training is not None:
        said = json.loads((path / parts.TRAINING).read_bytes())
        expected = {"init_from": None, "init_from_sha256": None} | said
        demand(asdict(loaded.training) == expected, f"training.json says something else: {said}")
    if loaded.tokenizer is not None:
        check_tokenizer(loaded.tokenizer)


def check_tensors(arrays: dict[str, np.ndarray], file: Path) -> None:
    """Raise `Fault` unless these are the values at the offsets in the file's header."""
    header, payload = split(file.read_bytes())
    table = json.loads(header)
    for name, array in arrays.items():
        keys = {name, name.removeprefix("transformer.")} & table.keys()  # as on the hub
        demand(len(keys) == 1, f"{name} stands in {file.name} {len(keys)} times")
        entry = table[keys.pop()]
        start, end = entry["data_offsets"]
        stored = payload[start:end]
        if entry["dtype"] == "F16":  # read as float32
            stored = np.frombuffer(stored, "<f2").astype(np.float32).tobytes()
        right = stored == array.tobytes() and bool(np.isfinite(array).all())
        demand(right, f"{name} is not what stands in {file.name}")


PROBE = "Before we, hear <unk> <|endoftext|>\n\t\0 é東\U0001f680"


def check_tokenizer(tokenizer: Tokenizer) -> None:
    """Raise `Fault` unless an accepted tokenizer is usable."""
    unknown = tokenizer.unknown_characters(PROBE) if tokenizer.kind == "char" else ()
    known = "".join(c for c in PROBE if c not in unknown)
    try:
        everything = tokenizer.decode(range(tokenizer.vocab_size))
        ids = tokenizer.encode(known)
        again = tokenizer.decode(ids)
    except TokenizerError as error:
        raise Fault(f"its tokenizer cannot encode: {error}") from None
    within = bool(((ids >= 0) & (ids < tokenizer.vocab_size)).all())
    demand(bool(everything) and within, f"its tokenizer has ids beyond {tokenizer.vocab_size}")
    kept = tokenizer.kind == "word" or again == known
    demand(kept, f"its tokenizer makes {again!r} of {known!r}")
