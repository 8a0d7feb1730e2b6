"""Thousands of corrupted checkpoints: each is loaded as exactly what it is, or refused in a line.

They are loaded in processes of their own, so that one that crashes, hangs or fills the memory takes
nothing else with it, and is found out. The address space of such a process is limited: to what it
has before, twice the files, `SPARE`, and `TOKENIZER_FACTOR` times tokenizer.json. (The `tokenizers`
library builds Rust objects of fifty bytes for what may be one byte of that file, which is why
`shared.checkpoints.parts.TOKENIZER_LIMIT` is what it is.)
"""

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np

from audits.reliability.damage import DAMAGES, Damage, Rule, Scene, Victim, split
from audits.reliability.samples import same
from audits.reliability.tally import Fault, Found, Kind, Tally, repeat
from audits.reliability.victims import victims
from shared.checkpoints import parts
from shared.checkpoints.checkpoint import Checkpoint, load_checkpoint
from shared.errors import CheckpointError, TokenizerError
from shared.layout import tensor_shapes
from shared.text.tokenizers import Tokenizer

SECONDS = 20.0
"""A checkpoint of 30 KB takes milliseconds to load or to refuse. After this it hangs."""

SPARE = 64 * 2**20
TOKENIZER_FACTOR = 64

CONTEXT = multiprocessing.get_context("spawn")

Result = tuple[int, str, str, Kind | None, str]
"""The case, the damage, its victim; and how it ended, or which fault it is and what happened."""


Work = Callable[[Sequence[int], int, Connection], None]


def run_corruptions(cases: Sequence[int], seed: int, processes: int = 2) -> Iterator[Result]:
    """Spoil and load a checkpoint for every case: its number decides which and how."""
    shares = [cases[i::processes] for i in range(processes)]
    # The libraries' backtraces would take a hundred megabytes. Once, for the environment is shared.
    quiet = mock.patch.dict(os.environ, RUST_BACKTRACE="0")
    with quiet, ThreadPoolExecutor(processes) as pool:
        for future in [pool.submit(watch, share, seed, work_off) for share in shares if share]:
            yield from future.result()


def tally_corruptions(results: Iterator[Result], seed: int) -> list[Tally]:
    """Count results: those with our hashes, and those without any."""
    tallies = {
        True: Tally("corruptions: our checkpoints"),
        False: Tally("corruptions: without hashes"),
    }
    for case, damage, victim, kind, what in results:
        tally = tallies[not victim.startswith("hub")]
        tally.tried += 1
        if kind is None:
            tally.endings[what] += 1
            tally.detail[f"{damage}: {what}"] += 1
        else:
            command = repeat("corruptions", seed, str(case))
            tally.found.append(Found(kind, f"{damage} of {victim}: {what}", command))
    return list(tallies.values())


def watch(cases: Sequence[int], seed: int, work: Work, seconds: float = SECONDS) -> list[Result]:
    """Have a process go through the cases; another one after each that it does not survive.

    Args:
        cases: their numbers.
        seed: for `work`.
        work: what the process does: tries the cases, and sends a result for each.
        seconds: how long it may be silent; to start with, a minute longer.
    """
    results: list[Result] = []
    while len(results) < len(cases):
        here, there = CONTEXT.Pipe()
        rest = cases[len(results) :]
        worker = CONTEXT.Process(target=work, args=(rest, seed, there), daemon=True)
        worker.start()
        there.close()
        done, hangs = 0, False
        with contextlib.suppress(EOFError):  # it is dead
            while done < len(rest) and not hangs:
                hangs = not here.poll(seconds if done else seconds + 60.0)
                if not hangs:
                    results.append(here.recv())
                    done += 1
        if hangs:
            worker.kill()
        worker.join()
        here.close()
        if done < len(rest):
            case = rest[done]
            what = f"no end after {seconds:g} s" if hangs else f"crashed: status {worker.exitcode}"
            damage, victim = chosen(case, victims())
            results.append((case, damage.__name__, victim.name, "traceback", what))
    return results


def work_off(cases: Sequence[int], seed: int, pipe: Connection) -> None:
    """In a process of its own: try the cases, and tell of each as soon as it is over."""
    sound = victims()
    with tempfile.TemporaryDirectory(prefix="corrupted-") as directory:
        stderr = Path(directory) / "stderr"
        os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        for case in cases:
            result = try_case(case, seed, sound, Path(directory))
            if said := stderr.read_text(errors="replace"):  # a user would see it: Rust's panics
                result = *result[:3], "traceback", f"on standard error: {said[:2000]}"
                os.truncate(stderr, 0)
            pipe.send(result)


def chosen(case: int, sound: Sequence[Victim]) -> tuple[Damage, Victim]:
    """Which damage is done to which victim: all pairs in turn."""
    return DAMAGES[case % len(DAMAGES)], sound[case // len(DAMAGES) % len(sound)]


def try_case(case: int, seed: int, sound: Sequence[Victim], directory: Path) -> Result:
    """Write the victim, spoil it, load it, and judge what came of it."""
    damage, victim = chosen(case, sound)
    path = directory / "checkpoint"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for name, content in victim.files.items():
        (path / name).write_bytes(content)
    others = [other for other in sound if other is not victim]
    rule = damage(Scene(path, victim, others, Random(f"{seed} {case}")))
    try:
        with memory_limit(path):
            loaded = load(path)
        how = judge(loaded, path, rule, victim)
    except Fault as fault:
        return case, damage.__name__, victim.name, fault.kind, str(fault)
    return case, damage.__name__, victim.name, None, how


def load(path: Path) -> Checkpoint | None:
    """The checkpoint; None if it is refused as it should be. Raises `Fault` for any other end."""
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a Rust panic is no Exception
        raise Fault("traceback", f"{type(error).__name__}: {error}") from None
    controls = [c for c in message if unicodedata.category(c) in ("Cc", "Cs")]
    if controls or len(message) > len(str(path)) + 500 or not message.startswith(str(path)):
        raise Fault("traceback", f"the message is not one clear line: {message!r}")
    return None


def judge(loaded: Checkpoint | None, path: Path, rule: Rule, victim: Victim) -> str:
    """How it ended, in words. Raises `Fault` if it should not have been loaded like this."""
    if loaded is None:
        return "refused"
    if rule == "refused":
        raise Fault("wrongly accepted", "it was loaded")
    if rule == "as saved":
        if not same(loaded, victim.checkpoint):
            raise Fault("wrongly accepted", "it was loaded, but not as what was saved")
    else:
        check_bytes(loaded, path)
    return f"loaded {rule}"


@contextlib.contextmanager
def memory_limit(path: Path) -> Iterator[None]:
    """Bound what this process may take while it loads a checkpoint. (On Linux.)"""
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


# What the bytes say, read by other means than the loader's


def check_bytes(loaded: Checkpoint, path: Path) -> None:
    """Raise `Fault` unless a checkpoint is what its files say, and fit to be used."""
    config = json.loads((path / parts.CONFIG).read_bytes())
    for key, value in {
        "vocab_size": loaded.config.vocab_size,
        "n_positions": loaded.config.block_size,
        "n_layer": loaded.config.n_layer,
        "n_head": loaded.config.n_head,
        "n_embd": loaded.config.n_embd,
    }.items():
        if config[key] != value:
            raise Fault("wrongly accepted", f"{key} is {config[key]}, but {value} was loaded")
    if {n: a.shape for n, a in loaded.weights.items()} != tensor_shapes(loaded.config):
        raise Fault("wrongly accepted", "the weights do not fit the configuration")
    check_tensors(loaded.weights, path / parts.MODEL, ("", "transformer."))
    for kind, arrays in (loaded.moments or {}).items():
        named = {f"{kind}.{name}": array for name, array in arrays.items()}
        check_tensors(named, path / parts.OPTIMIZER, ("",))
    if loaded.training is not None:
        said = json.loads((path / parts.TRAINING).read_bytes())
        if asdict(loaded.training) != {"init_from": None, "init_from_sha256": None} | said:
            raise Fault("wrongly accepted", f"training.json says something else: {said}")
    if loaded.tokenizer is not None:
        check_tokenizer(loaded.tokenizer)


def check_tensors(arrays: dict[str, np.ndarray], file: Path, prefixes: tuple[str, ...]) -> None:
    """Raise `Fault` unless these are the bytes that stand where the file's header says."""
    header, payload = split(file.read_bytes())
    table = json.loads(header)
    for name, array in arrays.items():
        (entry,) = {
            json.dumps(table[key])
            for prefix in prefixes
            if (key := name.removeprefix(prefix)) in table
        }
        start, end = json.loads(entry)["data_offsets"]
        if payload[start:end] != array.tobytes() or not np.isfinite(array).all():
            raise Fault("wrongly accepted", f"{name} is not what stands in {file.name}")


PROBE = "Before we, hear <unk> <|endoftext|>\n\t\0 é東\U0001f680"


def check_tokenizer(tokenizer: Tokenizer) -> None:
    """Raise `Fault` unless a tokenizer that was accepted can be worked with."""
    try:
        everything = tokenizer.decode(range(tokenizer.vocab_size))
        known = (
            PROBE
            if tokenizer.kind != "char"
            else "".join(c for c in PROBE if c not in tokenizer.unknown_characters(PROBE))
        )
        ids = tokenizer.encode(known)
        again = tokenizer.decode(ids)
    except TokenizerError as error:
        raise Fault("wrongly accepted", f"its tokenizer cannot encode: {error}") from None
    except BaseException as error:
        raise Fault("traceback", f"its tokenizer: {type(error).__name__}: {error}") from None
    if not everything or not ((ids >= 0) & (ids < tokenizer.vocab_size)).all():
        raise Fault("wrongly accepted", f"its tokenizer has ids beyond {tokenizer.vocab_size}")
    if tokenizer.kind != "word" and again != known:
        raise Fault("wrongly accepted", f"its tokenizer makes {again!r} of {known!r}")
