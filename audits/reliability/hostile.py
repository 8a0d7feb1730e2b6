"""Careless and hostile surroundings: closed terminals, planted links, metrics and texts that no
program of ours wrote, and two trainings in one directory.

A case is the name of what is tried and a number: `--case terminal-7`.
"""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from random import Random

from audits.reliability import Fault, Result, attempt, trainings
from audits.reliability.trainings import SECONDS, check_explained, train, train_unbroken
from lessons.alone import peak_memory, run_alone
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.options import UsageError
from shared.commands.terminal import say
from shared.errors import UserError
from shared.runs.metrics import Metrics, read_metrics
from shared.sources import ROOT
from shared.text.datasets import encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import TOKENIZERS

LINKS = (
    *("metrics.jsonl", "loss.png", ".lock", ".metrics.jsonl.partial"),
    *("checkpoints/", "checkpoints/000002/", ".replaced/"),
)
"""Names in a run at which a link to a file or directory (/) of the user's may wait."""
DEAR = "dear to me"
TEXTS: dict[str, Callable[[int], str]] = {
    "CRLF": lambda n: "one, two!\r\n" * (n // 11),
    "one line": lambda n: "to be or not to be " * (n // 19),
    "blank lines": lambda n: "a\n\n\n\n\n\n\n\n" * (n // 9),
    "one word": lambda n: "".join(Random(1).choices("abcdefgh", k=n)),
    "numbers": lambda n: ",".join(str(7919 * i % 100_003) for i in range(n // 6)),
    "no spaces": lambda n: "".join(map(chr, Random(2).choices(range(0x4E00, 0x9000), k=n // 3))),
    "spaces": lambda n: "a" + " " * (n - 2) + "b",
    "emoji": lambda n: "👩🏽\u200d🚀 " * (n // 20),
}
FACTOR = {"char": 3, "byte": 3, "word": 8, "bpe": 8}
"""Memory allowed, in sizes of the text, above 300 MB."""


def try_hostile(seed: int, case: str | None) -> list[Result]:
    """Try every case, or only one."""
    cases = [f"{name}-{i}" for name, (times, _) in TRIES.items() for i in range(times)]
    if case is not None and case not in cases:
        raise UsageError(f"there is no case {case!r} of hostile surroundings")
    say("closing terminals, planting links, reading odd metrics and texts")
    return [try_one(each, seed) for each in ([case] if case else cases)]


def try_one(case: str, seed: int) -> Result:
    """Try one case, in a directory of its own."""
    name, _, number = case.partition("-")
    with tempfile.TemporaryDirectory(prefix="hostile-") as directory:
        given = int(number), Random(f"{seed} {case}"), Path(directory)
        return attempt(name, case, lambda: TRIES[name][1](*given))


def close_terminal(number: int, rng: Random, directory: Path) -> str:
    """Close a training's terminal, or the pipe it writes to, at any moment, and ask it to stop."""
    run, text = directory / "run", directory / "text.txt"
    asks = rng.choice([signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
    text.write_text(trainings.TEXT, encoding="utf-8")
    where = ["--dataset", str(text), "--out", str(run), "--steps", "1000000"]
    command = [sys.executable, "-m", "impls.numpy.train", *trainings.OPTIONS, *where]
    ours, its = pty.openpty() if number % 2 else os.pipe()
    training = subprocess.Popen(command, cwd=ROOT, env=trainings.ENVIRONMENT, stderr=its)
    os.close(its)
    deadline = time.monotonic() + SECONDS
    while not (run / "metrics.jsonl").exists() or not read_metrics(run / "metrics.jsonl"):
        if training.poll() is not None or time.monotonic() > deadline:
            raise Fault(f"it never began: status {training.poll()}")
        time.sleep(0.01)
    time.sleep(rng.random() / 10)
    os.close(ours)
    time.sleep(rng.random() / 10)
    training.send_signal(asks)
    status = training.wait(SECONDS)
    steps = [row.step for row in read_metrics(run / "metrics.jsonl")]
    newest = newest_checkpoint(run)
    if status != 130 or newest is None or int(newest.name) != steps[-1]:
        raise Fault(f"status {status}, {newest} after step {steps[-1]}")
    load_checkpoint(newest)
    return "stopped and saved"


def plant_link(number: int, rng: Random, directory: Path) -> str:
    """A run from elsewhere, with a link in it that leads to a file or a directory of the user's."""
    name, dear, like = LINKS[number], directory / "dear", train_unbroken("numpy", directory)
    link, folder = like.run / name, name.endswith("/")
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    dear.mkdir() if folder else dear.write_text(DEAR)
    link.symlink_to(dear)
    for options in (["--resume", "--steps", "14"], ["--overwrite"]):
        ended = train(like, like.run, *options)
        if ended.returncode != 0:
            check_explained(ended)
        if list(dear.iterdir()) if folder else dear.read_text() != DEAR:
            raise Fault(f"{options[0]} followed {name} out of the run")
    return "not followed"


GOOD = [None, *(0, 1, -1, 7.5, 2.5, 1e-9, 1e308, 2**53, 2**63)]
ODD = [
    *map(json.dumps, (10**400, "7", "", "\x1b[2J", True, [], {}, {"a": 1})),
    *("NaN", "-Infinity", "1e999", "nul", "'1'", "0x1", "\x1b[2J", "{" * 9999),
]
"""What no field may be, as it is spelled in a file."""
NAMES = [field.name for field in fields(Metrics)]


def draw_rows(rng: Random) -> list[str]:
    """Lines as a training writes them. In half of the files one of them has an odd field, or is cut
    short."""
    lines = [
        json.dumps({"step": step} | {name: rng.choice(GOOD) for name in rng.sample(NAMES[1:], 3)})
        for step in range(rng.randint(1, 4))
    ]
    at = rng.randrange(len(lines))
    odd = rng.choice([f'"{rng.choice(NAMES)}": {rng.choice(ODD)}', r'"\u001b[2J": 1'])
    whole = lines[at]
    cut, more = whole[: rng.randint(0, len(whole))], f"{whole[:-1]}, {odd}}}"
    lines[at] = rng.choice([whole, whole, cut, more])
    return lines


def odd_metrics(number: int, rng: Random, directory: Path) -> str:
    """Rows that no training wrote: read as finite numbers, or refused in one line."""
    file = directory / "metrics.jsonl"
    file.write_text("".join(f"{line}\n" for line in draw_rows(rng)), encoding="utf-8")
    try:
        rows = read_metrics(file)
    except UserError as error:
        if "\n" in str(error) or "\x1b" in str(error):
            raise Fault(f"not one clear line: {error!r}") from None
        return "refused"
    for row in rows:
        for name, value in vars(row).items():
            if not (value is None or (type(value) in (int, float) and abs(value) < float("inf"))):
                raise Fault(f"{name} is {value!r}")
    return "read"


def odd_text(number: int, rng: Random, directory: Path) -> str:
    """A text of a kind that takes a careless program all memory, or time without end."""
    (name, make), kind = list(TEXTS.items())[number // 4], TOKENIZERS[number % 4]
    text = directory / "text.txt"
    text.write_text(make(4 * 2**20), encoding="utf-8", newline="")
    how, peak = run_alone(encode, str(text), kind)
    used, size = (peak or 0) / 2**20, text.stat().st_size / 2**20
    if used > 300 + FACTOR[kind] * size:
        raise Fault(f"{name}, {kind}: {used:.0f} MB for a text of {size:.1f} MB")
    return how


def encode(text: str, kind: str) -> tuple[str, int | None]:
    """Encode a text. Returns how it ended, and the peak memory of this process."""
    signal.alarm(SECONDS)  # ends the process
    try:
        dataset = load_dataset(text)
        encode_dataset(dataset, fit_tokenizer(dataset, kind), 8)
    except UserError:
        return "refused", peak_memory()
    return "encoded", peak_memory()


def two_at_once(number: int, rng: Random, directory: Path) -> str:
    """The second of two trainings in one directory is refused, whichever that is."""
    like, run = train_unbroken("numpy", directory), directory / "run"
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: train(like, run), range(2)))
    refused = [each for each in both if each.returncode != 0]
    if len(refused) != 1:
        raise Fault(f"{len(refused)} of 2 were refused")
    check_explained(refused[0])
    trainings.check_finished(run, like)
    return "one trained, one refused"


TRIES: dict[str, tuple[int, Callable[[int, Random, Path], str]]] = {
    "terminal": (50, close_terminal),
    "link": (len(LINKS), plant_link),
    "metrics": (500, odd_metrics),
    "text": (len(TEXTS) * len(TOKENIZERS), odd_text),
    "two": (3, two_at_once),
}
"""How often each is tried, and how."""
