"""The planted bugs fit the sources, the engine tells bugs from healthy code; generic mutants."""

import io
import os
import signal
import time
from collections import Counter

import pytest
from cosmic_ray.mutating import mutate_code
from rich.console import Console

from audits.contained import work_off
from audits.mutants import __main__ as matrix
from audits.mutants import generic, report, show
from audits.mutants.catalogue import CATALOGUE, SEEN, THEMES, find
from audits.mutants.judging import Verdict
from audits.mutants.mutant import HEALTHY, Edit, Mutant
from audits.mutants.operators import OPERATORS
from audits.mutants.plant import MutantError, mutate
from audits.mutants.sampling import change, equivalents, places, sample, sources_of
from audits.mutants.workers import Task, judge_all
from shared.protocol import BACKENDS

PLANTED = [(mutant, backend) for mutant in CATALOGUE.values() for backend in mutant.edits]


@pytest.mark.parametrize(("mutant", "backend"), PLANTED, ids=lambda x: getattr(x, "name", x))
def test_every_bug_can_be_planted_and_compiles(mutant: Mutant, backend: str) -> None:
    healthy, sources = mutate(HEALTHY, backend), mutate(mutant, backend)
    assert sources != healthy
    for name, source in sources.items():
        compile(source, name, "exec")


def test_names_are_their_own_and_the_museum_shows_bugs_of_the_catalogue() -> None:
    assert len(CATALOGUE) == sum(len(theme.mutants) for theme in THEMES)
    assert set(SEEN) <= set(CATALOGUE)
    sources = [source for mutant in CATALOGUE.values() for source in mutant.seen]
    assert len(set(sources)) == len(sources) >= 30
    for source in sources:
        assert source.repository.count("/") == 1
        assert source.thread.removeprefix("#").isdecimal()


def test_sources_that_have_changed_are_noticed() -> None:
    stale = Mutant("stale", "", {"numpy": (Edit("model.py", "no such line", ""),)})
    with pytest.raises(MutantError, match=r"stale no longer fits impls/numpy/model\.py"):
        mutate(stale, "numpy")


def test_the_suite_kills_a_mutant_and_spares_the_healthy() -> None:
    """One process, so that the healthy copy is judged after the sick one."""
    tasks = [(find("weights_rounded"), "numpy"), (HEALTHY, "numpy")]
    rounded, healthy = judge_all(tasks, processes=1)
    assert healthy.fallen == {}
    assert len(healthy.passed) > 20
    assert "test_forward.py::test_weights_are_kept" in rounded.fallen
    assert "test_bigram.py::test_training" in rounded.passed
    assert 1e-10 < rounded.errors["logits"] < 1e-6
    assert rounded.errors["weights kept"] > 0
    assert "bigram" not in rounded.errors, "only those of the rows that it did not pass"


def test_the_matrix_fails_when_a_mutant_survives(monkeypatch, tmp_path, capsys) -> None:
    check = "test_forward.py::test_taps"
    alive = Verdict("swap_qk", "numpy", {}, [check])
    dead = Verdict("swap_qk", "torch", {check: "wrong"}, [])
    monkeypatch.setattr(report, "REPORT", tmp_path / "build" / "mutants.json")
    monkeypatch.setattr(matrix, "judge_all", lambda *_: [alive, dead])
    assert matrix.main(["swap_qk"]) == 1
    out = capsys.readouterr().out
    assert "swap_qk in torch: 1 fell, first test_forward.py::test_taps\n" in out
    assert "survived: swap_qk in numpy" in out
    assert report.read_report() == report.Report(report.fingerprint(), [alive, dead])
    monkeypatch.setattr(matrix, "judge_all", lambda *_: [dead])
    assert matrix.main(["swap_qk"]) == 0
    assert matrix.idle_checks([alive]) == [check]
    assert matrix.idle_checks([alive, dead]) == []


def test_a_report_keeps_what_the_same_sources_have_shown(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(report, "REPORT", tmp_path / "mutants.json")
    assert report.read_report() is None
    swapped, other = Verdict("swap_qk", "numpy"), Verdict("swap_qk", "jax")
    again = Verdict("swap_qk", "numpy", {"test_forward.py::test_taps": "wrong"})
    report.write_report("today", [swapped, other])
    report.write_report("today", [again])
    assert report.read_report() == report.Report("today", [again, other])
    report.write_report("tomorrow", [swapped])
    assert report.read_report() == report.Report("tomorrow", [swapped])
    report.REPORT.write_text('[{"mutant": "swap_qk"}]', encoding="utf-8")
    assert report.read_report() is None


def test_bugs_are_listed_with_their_stories(capsys: pytest.CaptureFixture) -> None:
    assert show.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CATALOGUE)


# Generic mutants: the mutations, the sample, and the report of survivors

SOURCE = '''"""Text."""

import math
from a import b as c

__all__ = ["f", "g"]


class Box:
    """More text."""

    size: tuple[int, 5] = (1, 2)

    def half(self, x: Int["2 T"] = None, *, dtype="float32") -> Float["2 T"]:
        """Still more."""
        if x < 0:
            raise ValueError(f"x is {x + 1}, not {2}", 3)
        return g(x, self.size)[: len(x)]
'''
UNTOUCHED = (
    *('"""Text."""', "import math", "from a import b as c", '__all__ = ["f", "g"]'),
    *('"""More text."""', 'x: Int["2 T"] =', '-> Float["2 T"]:'),
)
RAISE = 'raise ValueError(f"x is {x + 1}, not {2}", 3)'


@pytest.mark.parametrize("name", ["DropKeyword", "DropStatement", "SwapArguments"])
def test_operators_do_what_their_examples_show(name: str) -> None:
    operator = OPERATORS[f"ours/{name}"]
    (example,) = operator.examples()
    found = mutate_code(example.pre_mutation_code, operator, 0)
    assert found == example.post_mutation_code


def test_what_cannot_matter_is_left_alone() -> None:
    """Nor is it counted wrongly: then another place would be mutated."""
    found = [change({"box.py": SOURCE}, place) for place in places({"box.py": SOURCE})]
    for each in found:
        assert each is None or all(text in each.mutated for text in UNTOUCHED), each
        assert each is None or each.new == "pass" or "tuple[int, 5] = " in each.mutated, each
    dropped = [each for each in found if each is not None and RAISE not in each.mutated]
    assert [each.new for each in dropped] == ["pass"], "an error may be dropped, not its text"
    kinds = {each.place.site[1] for each in found if each is not None}
    assert kinds == {
        *("core/AddNot", "core/NumberReplacer", "core/ReplaceComparisonOperator"),
        *("ours/DropStatement", "ours/SwapArguments"),
    }
    assert {each.place.scope for each in found if each is not None} == {"Box", "Box.half"}


SOURCES = {
    name: "def f(x, y, size):\n"
    + "".join(f"    y = g(x[:size], y + {i}, axis={i}) * {i}\n" for i in range(n))
    + "    return y\n"
    for name, n in (("a.py", 4), ("b.py", 3))
}


def test_a_sample_is_a_function_of_sources_and_seed() -> None:
    drawn = sample(SOURCES, 25, "0", set())
    assert drawn == sample(SOURCES, 25, "0", set()) != sample(SOURCES, 25, "1", set())
    assert len({found.place.site for found in drawn}) == 25
    kinds = Counter(found.place.site[1] for found in drawn)
    assert max(kinds.values()) <= min(kinds.values()) + 1, "the kinds take turns"
    fewer = sample(SOURCES, 24, "0", {drawn[3].key})
    assert fewer == [*drawn[:3], *drawn[4:]], "what is noted as equivalent is passed over"


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_noted_as_equivalent_fits_the_sources(backend: str) -> None:
    sources = sources_of(backend)
    (file, scope, old, new), *_ = sorted(equivalents(backend, sources))
    possible = [change(sources, place) for place in places(sources) if place.scope == scope]
    assert (file, scope, old, new) in {each.key for each in possible if each is not None}
    changed = sources | {file: sources[file].replace(old.splitlines()[0], "pass")}
    with pytest.raises(MutantError, match=rf"equivalent\.toml no longer fits impls/{backend}/"):
        equivalents(backend, changed)


@pytest.mark.parametrize(
    ("survive", "status", "last"),
    [
        ([0], 0, "numpy: 19 of 20 killed, 95.0%"),
        ([0, 7], 1, "numpy: 18 of 20 killed, 90.0%; 95% is required"),
    ],
)
def test_survivors_are_printed_and_too_many_are_an_error(
    survive: list[int], status: int, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = {"healthy", *(f"generic_5_{i}" for i in survive)}

    def judge(tasks: list[Task], processes: int) -> list[Verdict]:
        names = [(mutant.name, backend) for mutant, backend in tasks]
        return [Verdict(*task, {} if task[0] in alive else {"check": "wrong"}) for task in names]

    monkeypatch.setattr(generic, "sources_of", lambda backend: SOURCES)
    monkeypatch.setattr(generic, "equivalents", lambda backend, sources: set())
    monkeypatch.setattr(generic, "judge_all", judge)
    out = io.StringIO()
    assert generic.judge_sample(20, 5, ["numpy"], 1, Console(file=out, width=200)) == status
    (first,) = sample(SOURCES, 1, "5 numpy", set())
    assert out.getvalue().startswith(f"survived:\nimpls/numpy/{first.place.file}:")
    assert f"  - {first.old.splitlines()[0]}\n" in out.getvalue()
    assert f"  + {first.new.splitlines()[0]}\n" in out.getvalue()
    assert out.getvalue().splitlines()[-1] == last
    alive.remove("healthy")
    assert generic.judge_sample(20, 5, ["numpy"], 1, Console(file=out, width=200)) == 1
    assert "the healthy copy of numpy fails check: wrong\n" in out.getvalue()


def test_the_suite_stops_at_the_first_check_that_falls() -> None:
    """Also before it: a mutant that cannot be imported counts as killed."""
    source = mutate(HEALTHY, "numpy")["optim.py"]
    wrong = source.replace("self.count += 1", "self.count += 2")
    broken = source.replace("import math", "import no_such_module")
    edits = {"wrong": wrong, "broken": broken}
    tasks: list[Task] = [
        (Mutant(name, "", {"numpy": (Edit("optim.py", source, new),)}, generic=True), "numpy")
        for name, new in edits.items()
    ]
    first, second = judge_all(tasks, processes=1)
    assert len(first.fallen) == 1
    assert "suite" not in first.fallen
    assert list(second.fallen) == ["suite"]


def test_a_crash_or_a_hang_is_that_task_s_own() -> None:
    """Leftovers of earlier tasks may end a process: the next task is then tried again."""
    found = dict(work_off(troubled, ["a", "b", "c", "crash", "hang", "d"], 15.0, processes=1))
    assert found == {
        **{name: f"done {name}" for name in "abcd"},
        **{"crash": "the process ended", "hang": "no end after 15 s"},
    }


DONE: list[str] = []


def troubled(task: str) -> str:
    """Crashes at "crash", and whenever it has done two tasks; never ends at "hang"."""
    if task == "crash" or len(DONE) == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "hang":
        time.sleep(600)
    DONE.append(task)
    return f"done {task}"
