"""Careless and hostile surroundings: closed terminals, planted links, metrics and texts that no
program of ours wrote, and two trainings in one directory.

Each part is a row of the table. A case is its name and number: `--case terminal-7`.
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
from pathlib import Path
from random import Random
from typing import Any

from audits.reliability import Fault, Result
from audits.reliability.trainings import ENVIRONMENT, OPTIONS, SECONDS, TEXT
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.options import UsageError
from shared.errors import UserError
from shared.runs.metrics import Metrics, read_metrics
from shared.sources import ROOT
from shared.text.tokenizers import TOKENIZERS

TIMES = {"terminal": 50, "link": 7, "metrics": 500, "text": 32, "two": 3}
"""How often each is tried."""
LINKS = (
    *("metrics.jsonl", "loss.png", ".lock", "checkpoints", ".replaced"),
    *("checkpoints/000002", ".metrics.jsonl.partial"),
)
"""Names in a run at which a link to a file or directory of the user's may wait."""
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
MEGABYTES = 4
FACTOR = {"char": 5, "byte": 5, "word": 8, "bpe": 8}
"""Memory allowed, in sizes of the text, above 300 MB. (One emoji, and Python takes four bytes for
every character.)"""

ENCODE = """
import resource, sys
from shared.errors import UserError
from shared.text.datasets import encode_dataset, fit_tokenizer, load_dataset
try:
    dataset = load_dataset(sys.argv[1])
    encode_dataset(dataset, fit_tokenizer(dataset, sys.argv[2]), 8)
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def try_hostile(seed: int, case: str | None) -> list[Result]:
    """Try every case, or only one."""
    cases = [f"{name}-{i}" for name, times in TIMES.items() for i in range(times)]
    if case is not None and case not in cases:
        raise UsageError(f"there is no case {case!r} of hostile surroundings")
    results = []
    for each in [case] if case else cases:
        name, _, number = each.partition("-")
        with tempfile.TemporaryDirectory(prefix="hostile-") as directory:
            try:
                how = TRIES[name](int(number), Random(f"{seed} {each}"), Path(directory))
                results.append(Result(name, each, how))
            except Fault as fault:
                results.append(Result(name, each, f"{each}: {fault}", fault.kind))
    return results


def begin(run: Path, *options: str, **how: Any) -> subprocess.Popen:
    """Start a training of a small model in NumPy."""
    text = run.parent / "text.txt"
    text.write_text(TEXT, encoding="utf-8")
    command = [sys.executable, "-m", "impls.numpy.train", *OPTIONS, "--dataset", str(text)]
    where = ["--out", str(run), *options]
    return subprocess.Popen([*command, *where], cwd=ROOT, env=ENVIRONMENT, **how)


def close_terminal(number: int, rng: Random, directory: Path) -> str:
    """Close a training's terminal, or the pipe it writes to, at any moment, and ask it to stop."""
    run, asks = directory / "run", rng.choice([signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
    ours, its = pty.openpty() if number % 2 else os.pipe()
    training = begin(run, "--steps", "1000000", stderr=its)
    os.close(its)
    deadline = time.monotonic() + SECONDS
    while not (run / "metrics.jsonl").exists() or not read_metrics(run / "metrics.jsonl"):
        if training.poll() is not None or time.monotonic() > deadline:
            raise Fault("lost", f"it never began: status {training.poll()}")
        time.sleep(0.01)
    time.sleep(rng.random() / 10)
    os.close(ours)
    time.sleep(rng.random() / 10)
    training.send_signal(asks)
    status = training.wait(SECONDS)
    steps = [row.step for row in read_metrics(run / "metrics.jsonl")]
    newest = newest_checkpoint(run)
    if status != 130 or newest is None or int(newest.name) != steps[-1]:
        raise Fault("lost", f"status {status}, {newest} after step {steps[-1]}")
    load_checkpoint(newest)
    return "stopped and saved"


def plant_link(number: int, rng: Random, directory: Path) -> str:
    """A run from elsewhere, with a link in it that leads to a file or a directory of the user's."""
    name, run, dear = LINKS[number], directory / "run", directory / "dear"
    if begin(run, stderr=subprocess.DEVNULL).wait(SECONDS) != 0:
        raise Fault("traceback", "a training that nothing happened to failed")
    link = run / name
    folder = "." not in Path(name).name.lstrip(".") and name != ".lock"
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    dear.mkdir() if folder else dear.write_text(DEAR)
    link.symlink_to(dear)
    for options in (["--resume", "--steps", "14"], ["--overwrite"]):
        training = begin(run, *options, stderr=subprocess.PIPE, text=True)
        _, stderr = training.communicate(timeout=SECONDS)
        if "Traceback" in stderr or training.returncode not in (0, 2):
            raise Fault("traceback", f"status {training.returncode}: {stderr[-2000:]}")
        if list(dear.iterdir()) if folder else dear.read_text() != DEAR:
            raise Fault("lost", f"{options[0]} followed {name} out of the run")
    return "not followed"


def draw_row(rng: Random) -> str:
    """A line that looks like a row of metrics."""
    values = [*(0, 1, -1, 7.5, 1e308, 2**63, 10**400, "7", "", None, True, [], {}, [1], {"a": 1})]
    literals = ["NaN", "Infinity", "-Infinity", "1e999", "nul", "'1'", "0x1", "\x1b[2J", "{" * 9999]
    names = [*Metrics.__dataclass_fields__, "colour", "\x1b[31m"]
    table = {
        name: rng.choice([*values, *[2.5] * 20]) for name in rng.sample(names[:-2] * 3 + names, 3)
    }
    line = json.dumps({"step": rng.choice([1, 1, 1, *values])} | table)
    if rng.random() < 0.3:
        line = line.replace("1", rng.choice(literals), 1)
    return line[: rng.randint(0, len(line))] if rng.random() < 0.1 else line


def odd_metrics(number: int, rng: Random, directory: Path) -> str:
    """Rows that no training wrote: read as finite numbers, or refused in one line."""
    file = directory / "metrics.jsonl"
    lines = ['{"step": 0}', *(draw_row(rng) for _ in range(rng.randint(1, 3)))]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    try:
        rows = read_metrics(file)
    except UserError as error:
        if "\n" in str(error) or "\x1b" in str(error):
            raise Fault("traceback", f"not one clear line: {error!r}") from None
        return "refused"
    except Exception as error:
        raise Fault("traceback", f"{type(error).__name__}: {error}, of {lines}") from None
    for row in rows:
        for name, value in vars(row).items():
            if not (value is None or (type(value) in (int, float) and abs(value) < float("inf"))):
                raise Fault("wrongly accepted", f"{name} is {value!r}")
    return "read"


def odd_text(number: int, rng: Random, directory: Path) -> str:
    """A text of a kind that takes a careless program all memory, or time without end."""
    (name, make), kind = list(TEXTS.items())[number // 4], TOKENIZERS[number % 4]
    text = directory / "text.txt"
    text.write_text(make(MEGABYTES * 2**20), encoding="utf-8", newline="")
    command = [sys.executable, "-c", ENCODE, str(text), kind]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS
    )
    if done.returncode != 0:
        raise Fault("traceback", f"{name}, {kind}: {done.stderr[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    used, size = int(done.stdout) * unit / 2**20, text.stat().st_size / 2**20
    if used > 300 + FACTOR[kind] * size:
        raise Fault("traceback", f"{name}, {kind}: {used:.0f} MB for a text of {size:.1f} MB")
    return "refused" if done.stderr else "encoded"


def two_at_once(number: int, rng: Random, directory: Path) -> str:
    """The second of two trainings in one directory is refused, whichever that is."""
    both = [begin(directory / "run", stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(each.communicate(timeout=SECONDS)[1], each.returncode) for each in both]
    statuses = sorted(status for _, status in ended)
    if statuses != [0, 2] or any("Traceback" in stderr for stderr, _ in ended):
        raise Fault("traceback", f"{ended}")
    newest = newest_checkpoint(directory / "run")
    if newest is None or newest.name != "000012":
        raise Fault("lost", f"the newest checkpoint is {newest}")
    return "one trained, one refused"


TRIES: dict[str, Callable[[int, Random, Path], str]] = {
    "terminal": close_terminal,
    "link": plant_link,
    "metrics": odd_metrics,
    "text": odd_text,
    "two": two_at_once,
}
