"""Several processes, each with its rows of every batch, train as one does. They are started as in
training, by mpiexec or with the variables that torchrun sets."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance import cases
from conformance.cases import Case, find_case, random_batch, random_weights
from conformance.compare import relative_error
from conformance.subject import Subject
from shared.config import TrainConfig
from shared.errors import BackendError
from shared.processes import ParallelBackend, find_world, start
from shared.protocol import BACKENDS, Backend, load_backend
from shared.sources import ROOT

CONFIG = TrainConfig(
    steps=50, batch_size=5, accumulate=2, warmup_steps=5, learning_rate=5e-4, grad_clip=2.0
)
"""Five rows, which neither two nor three divide, in micro-batches; and some steps are clipped."""
PATIENCE = 100.0
"""Seconds until processes that wait for each other are stopped."""


def in_float32(backend: Backend, case: Case) -> np.ndarray:
    """Losses and norms of three steps in float32, the last with other rows."""
    trainer = backend.build(case.config, random_weights(case)).trainer(CONFIG)
    results = [trainer.step(*random_batch(case.config, B, B)) for B in (5, 5, 4)]
    return np.array([(result.loss, result.grad_norm) for result in results])


def trajectory(backend: Backend, case: Case) -> dict[str, np.ndarray]:
    """Losses and norms along the way, and the state at the end."""
    model = backend.build(case.config, random_weights(case), dtype="float64")
    trainer = model.trainer(CONFIG)
    batches = [random_batch(case.config, step, CONFIG.batch_size) for step in range(CONFIG.steps)]
    results = [trainer.step(*batch) for batch in batches]
    state = trainer.state()
    moments = {f"{m} of {key}": value for m in "mv" for key, value in state.moments[m].items()}
    losses = np.array([result.loss for result in results])
    norms = np.array([result.grad_norm for result in results])
    assert norms[0] > CONFIG.grad_clip
    return {"losses": losses, "norms": norms, **state.weights, **moments}


@pytest.mark.cases("dropout")
@pytest.mark.dtypes("float64")
@pytest.mark.needs("trainer")
@pytest.mark.fills("many processes")
@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.large("jax"))])
def test_many_processes_train_as_one(subject: Subject, size: int, tmp_path: Path) -> None:
    """Fifty steps in float64: losses, norms, weights, moments; some in float32. Of three processes,
    one fails in the end: all must stop. (Three of JAX take half a minute.)"""
    file, judge = tmp_path / "found.npz", subject.judge
    arguments = [subject.name, subject.case.name, str(cases.base_seed), str(file)]
    command = ["-m", __spec__.name, *arguments]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    try:
        if subject.name not in BACKENDS and not isinstance(subject.backend, ParallelBackend):
            raise BackendError("no `parallel`")
        running = start(subject.backend.name, size, command, env=environment, cwd=ROOT)
    except BackendError as error:  # also if a package is not installed
        judge.not_offered |= {subject.name}
        judge.row("many processes")
        pytest.skip(f"{subject.name}: many processes not offered: {error}")
    try:
        statuses = [process.wait(PATIENCE) for process in running]
    except subprocess.TimeoutExpired:
        pytest.fail(f"{subject.name}: {size} processes wait for each other")
    finally:
        for process in running:
            process.kill()
            process.wait()
    right = all(statuses) if size == 3 else not any(statuses)
    assert right, f"{subject.name}, {size} processes ended with {statuses}"
    expected = trajectory(subject.backend, subject.case)
    with np.load(file) as found:
        assert set(found) == {*expected, "in float32"}
        for key, value in expected.items():
            error = relative_error(found[key], value)
            subject.holds("many processes", error, f"{key} after {CONFIG.steps} steps of {size}")
        # Sums in another order differ by some units in the last place; a hundred leave a margin.
        single = in_float32(subject.backend, subject.case)
        np.testing.assert_allclose(found["in float32"], single, rtol=100 * 2.0**-24)


def main() -> None:
    name, case, seed, file = sys.argv[1:]
    cases.base_seed = int(seed)
    backend = load_backend(name)
    assert isinstance(backend, ParallelBackend)
    world = find_world(backend.name)
    backend.parallel.join(world.rank, world.size)
    found = trajectory(backend, find_case(case))
    found["in float32"] = in_float32(backend, find_case(case))
    if world.rank == 0:
        np.savez(file, **found)
    most = backend.parallel.most(world.rank + 1.0, 70_000.0)
    assert [round(each) for each in most] == [world.size, 70_000]
    if world.size == 3:
        if world.rank == 2:
            backend.parallel.leave(3)
            sys.exit(3)
        backend.parallel.most(0.0)  # waits for the one that has failed
    backend.parallel.leave(0)


if __name__ == "__main__":
    main()
