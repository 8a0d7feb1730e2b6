"""Several processes: what their environment says, one that is killed, and one that is stopped."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from lessons.relay import apart
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.train import train_main
from shared.processes import LAUNCHERS, World, find_world, start
from shared.protocol import BACKENDS
from tests.command_line import ROOT, SMALL, error_of, write_texts

RECIPE = "--batch-size 5 --steps 100 --optimizer sgd --dtype float64 --dropout 0.1 --accumulate 2"
JAX = {"JAX_PROCESS_ID": "0", "JAX_NUM_PROCESSES": "2"}
MANY = [*SMALL, *RECIPE.split(), "--eval-interval", "1000", "--checkpoint-interval", "10"]


def interrupt(backend: str, size: int, number: int, *options: str) -> tuple[set[int], str]:
    """Start a training, and send a signal to process 1 after a checkpoint. Returns the exit
    statuses, within ten seconds, and what was said."""
    seen = newest_checkpoint(Path("many"))
    command = ["-m", f"impls.{backend}.train", "--out", "many", *options]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with Path("said").open("w") as said:
        running = start(backend, size, command, env=environment, stderr=said, stdout=said)
    deadline = time.monotonic() + 120
    while newest_checkpoint(Path("many")) == seen and time.monotonic() < deadline:
        time.sleep(0.02)
    of_one = {LAUNCHERS[backend][1]: "1"}.items()
    parents = [psutil.Process(process.pid) for process in running]
    every = [each for parent in parents for each in (*parent.children(recursive=True), parent)]
    next(each for each in every if of_one <= each.environ().items()).send_signal(number)
    try:
        return {process.wait(10) for process in running}, Path("said").read_text()
    except subprocess.TimeoutExpired:
        return {*map(psutil.Process.kill, every)}, "they went on"


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_a_kill_and_a_stop_another_number_of_processes_goes_on(backend):
    write_texts()
    data = ["--dataset", "text.txt"]
    assert train_main(backend, ["--out", "whole", *MANY, *data]) == 0
    statuses, said = interrupt(backend, 2, signal.SIGKILL, *MANY, *data)
    assert ("BAD TERMINATION" if backend == "numpy" else "process 0 of 2 stopped: another") in said
    assert 0 not in statuses
    fsdp = ["--fsdp"] if backend == "jax" else []
    statuses, said = interrupt(backend, 3, signal.SIGTERM, "--resume", *fsdp)
    assert statuses == {130}
    assert said.count("go on with: ") == 1
    assert train_main(backend, ["--out", "many", "--resume"]) == 0
    whole, many = (load_checkpoint(newest_checkpoint(Path(run))) for run in ("whole", "many"))
    assert apart(many.weights, whole.weights).size < 1e-10


@pytest.mark.parametrize(
    ("backend", "environment", "wrong"),
    [
        ("torch", {"RANK": "0"}, "RANK is set, but not WORLD_SIZE, MASTER_ADDR, MASTER_PORT: "),
        ("numpy", {"PMI_RANK": "2", "PMI_SIZE": "2"}, "PMI_RANK is '2' and PMI_SIZE '2'"),
        *(("jax", JAX | {"JAX_COORDINATOR_ADDRESS": a}, "no port") for a in ("a:0", ":1", "a:１")),
        ("jax", {"PMI_RANK": "0", "PMI_SIZE": "2"}, "by mpiexec: processes of the jax backend are"),
        ("numpy", {"PMI_RANK": "0", "PMI_SIZE": "3"}, "batch of 2 cannot be divided among 3"),
    ],
)
def test_an_environment_that_cannot_be(backend, environment, wrong, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wrong in error_of(capsys, train_main(backend, SMALL))
    monkeypatch.undo()
    assert find_world(backend).size == find_world("anybody's").size == 1
    monkeypatch.setenv("PMI_RANK", "9")
    monkeypatch.setenv("PMI_SIZE", "16")
    assert find_world("numpy") == World(9, 16)
