"""Every job of the project: `nox -l` lists them, `nox -s NAME` runs one.

Environments are made on first use, by sessions of their own. Conformance, compare and tests share
`env-all`, with all three frameworks, because it takes 1.9 GB. Each backend also has its own, with
only the packages that it claims to need.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import nox
from filelock import FileLock, Timeout  # of virtualenv, which nox depends on

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = True

HERE = Path(__file__).parent
CONSTRAINTS = HERE / "constraints.txt"
PYPROJECT = nox.project.load_toml(HERE / "pyproject.toml")

BACKENDS = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
ENVIRONMENTS = {
    "env-all": ("all", "mpi", "test", "docs", "browser"),
    "env-oracles": ("oracles",),
    "env-numpy": ("numpy",),
    "env-torch": ("torch",),
    "env-jax": ("jax",),
    "lint": ("shared", "lint"),
}
"""For each environment, its dependency groups in pyproject.toml."""

SECONDS_TO_SAVE = 60.0
"""After Ctrl-C, a training saves a checkpoint. nox would kill it after 0.3 s."""

SECONDS_TO_STOP = 10.0
"""After Ctrl-C, the gate ends the processes of the suite."""

CHECK_ONLY = "MINIGPT_CHECK_ONLY"
"""With this variable, a command that trains only checks its options: see end_of_checks."""


# Environments


def requirements(*groups: str) -> list[str]:
    """What pip is to install, in the versions that constraints.txt allows."""
    return sorted(set(nox.project.dependency_groups(PYPROJECT, *groups)))  # groups overlap


def install(session: nox.Session, name: str) -> None:
    """Make one of ENVIRONMENTS, unless it is up to date.

    A note in the environment records what was installed. An environment that is incomplete, or made
    for other requirements or another Python, is emptied first: leftovers would hide what is
    missing. The lock, in case another nox is making the same one, is beside it, to survive that.
    """
    where = directory(session, name)
    lock = FileLock(where.with_suffix(".lock"))
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        session.log(f"waiting for another nox, which is installing {name}")
        held = lock.acquire()
    with held:
        wanted = json.dumps(
            {
                "python": sys.version,
                "requirements": requirements(*ENVIRONMENTS[name]),
                "constraints": hashlib.sha256(CONSTRAINTS.read_bytes()).hexdigest(),
            }
        )
        note = where / "installed.json"
        if note.exists() and note.read_text(encoding="utf-8") == wanted:
            session.log("environment is up to date")
            return
        session.log(f"installing {', '.join(ENVIRONMENTS[name])}: a minute or so, this time only")
        virtualenv = sys.executable, "-m", "virtualenv", "--clear", str(where)
        session.run_install(*virtualenv, silent=True)
        pip_install(session, name, *requirements(*ENVIRONMENTS[name]))
        note.write_text(wanted, encoding="utf-8")


def pip_install(session: nox.Session, name: str, *packages: str) -> None:
    pip = program(session, name, "python"), "-m", "pip", "install"
    session.run_install(*pip, "--constraint", str(CONSTRAINTS), *packages, silent=True)


def define_environment(name: str) -> None:
    def env(session: nox.Session) -> None:
        install(session, name)

    env.__doc__ = f"The environment for others: dependency groups {', '.join(ENVIRONMENTS[name])}."
    nox.session(env, name=name, venv_backend="none", default=False)


def directory(session: nox.Session, name: str) -> Path:
    """The directory of one of ENVIRONMENTS."""
    return (session.cache_dir.parent / name).absolute()


def program(session: nox.Session, name: str, command: str) -> str:
    """The path of a command in one of ENVIRONMENTS."""
    inside = f"Scripts/{command}.exe" if os.name == "nt" else f"bin/{command}"
    return str(directory(session, name) / inside)


def python(session: nox.Session, environment: str) -> str:
    """The interpreter of `env-{environment}`."""
    return program(session, f"env-{environment}", "python")


# Each backend


def train_proven(session: nox.Session, environment: str, module: str) -> None:
    """Run a command that trains: first only to check its options; then, after the conformance suite
    (unless nothing has changed since it last passed), to train.

    This is a call, not `requires=["conformance"]`, because nox passes arguments after `--` to
    required sessions, too, and `-- --steps 50` is meant for the training alone.
    """
    command = python(session, environment), "-m", module, *session.posargs
    session.run(*command, env={CHECK_ONLY: "1"}, stderr=None, log=False)
    if {"-h", "--help"} & set(session.posargs):
        return
    run_gate(session, "--environment", str(directory(session, f"env-{environment}")))
    session.run(*command, env={CHECK_ONLY: None}, stderr=None, interrupt_timeout=SECONDS_TO_SAVE)


def run_gate(session: nox.Session, *options: str, **run: Any) -> None:
    """Run the conformance suite, by default only if anything has changed since it last passed."""
    gate = python(session, "all"), "-m", "conformance.gate", *options
    session.run(*gate, interrupt_timeout=SECONDS_TO_STOP, **run)


def run_module(session: nox.Session, environment: str, module: str) -> None:
    """Run a command with the session's arguments."""
    # stderr=None: nox would mix it into standard output, which must hold only a sample's text.
    session.run(python(session, environment), "-m", module, *session.posargs, stderr=None)


def run_pytest(session: nox.Session, environment: str, folder: str, *options: str) -> None:
    """Run a folder's tests with the session's arguments; if these name tests, only those."""
    named = any(argument.startswith(f"{folder}/") for argument in session.posargs)
    tests = *([] if named else [folder]), *options, *session.posargs
    session.run(python(session, environment), "-m", "pytest", *tests)


def define_backend(backend: str) -> None:
    def train(session: nox.Session) -> None:
        train_proven(session, backend, f"impls.{backend}.train")

    def sample(session: nox.Session) -> None:
        run_module(session, backend, f"impls.{backend}.sample")

    train.__doc__ = (
        f"Train in {BACKENDS[backend]}; first the conformance suite, unless it has passed already. "
        f"`-- --help`: its options."
    )
    sample.__doc__ = (
        f"Write text with the newest {BACKENDS[backend]} run. `-- --help`: its options."
    )
    own = f"env-{backend}"
    nox.session(train, name=f"train-{backend}", venv_backend="none", requires=["env-all", own])
    nox.session(sample, name=f"sample-{backend}", venv_backend="none", requires=[own])


for backend in BACKENDS:
    define_backend(backend)


# All three together


@nox.session(venv_backend="none", requires=["env-all"])
def conformance(session: nox.Session) -> None:
    """Check that the three backends compute the same. `-- --backend my_package.my_gpt`: yours, too.

    After `--`: arguments for pytest. The report: build/conformance.html, and .json for programs.
    """
    if session.posargs:  # a part of the suite proves nothing about the rest: not recorded as passed
        run_pytest(session, "all", "conformance", "--report", "build")
    else:
        run_gate(session, "--always")


@nox.session(venv_backend="none", requires=["env-oracles"])
def oracles(session: nox.Session) -> None:
    """Compare the backends with independent programs. After `--`: arguments for pytest."""
    run_pytest(session, "oracles", "audits/oracles")


@nox.session(venv_backend="none", requires=["env-numpy"])
def exercise(session: nox.Session) -> None:
    """Show how far your own GPT is, and what comes next. `-- --solution my_gpt`: another folder."""
    run_module(session, "numpy", "lessons.ladder")


@nox.session(venv_backend="none", requires=["env-all"])
def mutants(session: nox.Session) -> None:
    """Plant every bug of the catalogue; the suite must find each one. `-- swap_qk`: only this."""
    run_module(session, "all", "audits.mutants")


@nox.session(venv_backend="none", requires=["env-all"])
def checks(session: nox.Session) -> None:
    """Score checks that you write by the planted bugs they find: `-- my_checks.py`."""
    run_module(session, "all", "audits.mutants.score")


@nox.session(name="break", venv_backend="none", requires=["env-all"])
def break_(session: nox.Session) -> None:
    """Plant one bug and show which checks fail: `-- swap_qk --backend torch`, `-- --list`."""
    run_module(session, "all", "audits.mutants.show")


@nox.session(venv_backend="none", requires=["env-all"])
def fuzz(session: nox.Session) -> None:
    """Make random calls in all three and compare, for 10 minutes. `-- --minutes 60`: longer."""
    run_module(session, "all", "conformance.fuzz")


@nox.session(venv_backend="none", requires=["env-all"])
def compare(session: nox.Session) -> None:
    """Train all three from the same weights on the same batches, side by side."""
    train_proven(session, "all", "lessons.compare")


@nox.session(venv_backend="none", requires=["env-all"])
def relay(session: nox.Session) -> None:
    """Pass one training from backend to backend through files, and compare it with each alone."""
    train_proven(session, "all", "lessons.relay")


@nox.session(venv_backend="none", requires=["env-all"])
def scale(session: nox.Session) -> None:
    """Train in several processes: `-- --backend torch --processes 2`, and any training options."""
    train_proven(session, "all", "shared.commands.scale")


@nox.session(venv_backend="none", requires=["env-all"])
def results(session: nox.Session) -> None:
    """Train every preset in every backend, for the tables in the README."""
    train_proven(session, "all", "audits.results")


@nox.session(venv_backend="none", requires=["env-all"])
def bench(session: nox.Session) -> None:
    """Time a training step and writing in all three. `-- --against nanogpt=DIR`: nanoGPT, too."""
    run_module(session, "all", "audits.bench")


@nox.session(venv_backend="none", requires=["env-all"])
def reliability(session: nox.Session) -> None:
    """Try to lose work: kill trainings, damage checkpoints, plant links. `-- --help`: options."""
    run_module(session, "all", "audits.reliability")


@nox.session(venv_backend="none", requires=["env-all"])
def docs(session: nox.Session) -> None:
    """Build the lesson as a site, build/site. `-- --open`: show it; `-- --strict`: refuse gaps."""
    # If the suite fails, the site is still built: the pages say so, and --strict fails.
    run_gate(session, success_codes=range(6))
    run_module(session, "all", "docs.build")


@nox.session(venv_backend="none", requires=["env-all"])
def release(session: nox.Session) -> None:
    """Pack the complete site as build/site.zip, which opens anywhere."""
    run_gate(session)
    session.run(python(session, "all"), "-m", "docs.build", "--strict", *session.posargs)
    shutil.make_archive("build/site", "zip", "build", "site")


@nox.session(venv_backend="none", requires=["env-all"])
def browser(session: nox.Session) -> None:
    """Test the site in a headless Chromium; screenshots are in build/screenshots.

    After `--`: arguments for pytest. `-- --update-readme`: also retake the picture in README.md.
    """
    run_pytest(session, "all", "docs/browser")


@nox.session(venv_backend="none", requires=["env-all"])
def tests(session: nox.Session) -> None:
    """The unit tests, the conformance suite, and every planted bug up to the first check that finds
    it. After `--`: arguments for pytest instead."""
    # Only here: checking annotations at every call would double the time of the suite.
    pytest = python(session, "all"), "-m", "pytest", "-p", "tests.runtime_checks"
    # Two at a time: with more threads than cores, most would wait.
    one_thread = {"OMP_NUM_THREADS": "1"}
    session.run(*pytest, *(session.posargs or ["-q", "-n", "2", "tests"]), env=one_thread)
    if not session.posargs:
        run_gate(session, "--always")
        session.run(python(session, "all"), "-m", "audits.mutants", "--first", stderr=None)


@nox.session(venv_backend="none", requires=["env-all"])
def quick(session: nox.Session) -> None:
    """Is anything basic broken? A small part of the conformance suite, in half a minute."""
    chapters = ("test_forward", "test_loss", "test_gradients")
    suite = [f"conformance/model/{chapter}.py" for chapter in chapters]
    suite += ["conformance/training/test_optimizers.py", "conformance/decoding/test_decoding.py"]
    choice = ["-k", "gpt2 and not finite_differences"]
    session.run(python(session, "all"), "-m", "pytest", "-q", *suite, *choice, *session.posargs)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Lint, formatting, types and import rules."""
    install(session, "lint")
    session.run(program(session, "lint", "ruff"), "check", ".")
    session.run(program(session, "lint", "ruff"), "format", "--check", ".")
    session.run(program(session, "lint", "mypy"))
    session.run(program(session, "lint", "lint-imports"))


for name in ENVIRONMENTS:  # last, so that `nox -l` lists the jobs first
    if name != "lint":
        define_environment(name)
