"""The planted bugs fit the sources, the engine tells bugs from healthy code; generic mutants."""

import io
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from rich.console import Console

from audits.mutants import __main__ as matrix
from audits.mutants import generic, plant, report, show, workers
from audits.mutants.catalogue import CATALOGUE, THEMES
from audits.mutants.entries import museum
from audits.mutants.judging import Verdict
from audits.mutants.mutant import Edit, Mutant
from audits.mutants.operators import OPERATORS
from audits.mutants.plant import MutantError, mutate
from audits.mutants.sampling import change, check_noted, equivalents, places, sample, sources_of
from audits.mutants.workers import Task, judge_all
from shared.protocol import BACKENDS

PLANTED = [(mutant, backend) for mutant in CATALOGUE.values() for backend in mutant.edits]


@pytest.mark.parametrize(("mutant", "backend"), PLANTED, ids=lambda x: getattr(x, "name", x))
def test_every_bug_can_be_planted_and_compiles(mutant: Mutant, backend: str) -> None:
    healthy, sources = mutate(None, backend), mutate(mutant, backend)
    assert sources != healthy
    for name, source in sources.items():
        compile(source, name, "exec")


def test_there_are_enough_and_their_names_are_their_own() -> None:
    assert len(CATALOGUE) == sum(len(theme.MUTANTS) for theme in THEMES) >= 40
    for backend in BACKENDS:
        assert sum(backend in mutant.edits for mutant in CATALOGUE.values()) >= 30
    for mutant in CATALOGUE.values():
        assert mutant.name.isidentifier()
        assert len(mutant.story.splitlines()) == 1
        assert mutant.edits


def test_the_museum_shows_bugs_of_the_catalogue() -> None:
    assert set(museum.SEEN) <= set(CATALOGUE)
    sources = [source for mutant in CATALOGUE.values() for source in mutant.seen]
    assert len(set(sources)) == len(sources) >= 30
    with pytest.raises(ValueError, match="no mutant with a thread"):
        museum.read("swap_qk: somebody/something 12\n    exchanged")


def test_sources_that_have_changed_are_noticed() -> None:
    stale = Mutant("stale", "", {"numpy": (Edit("model.py", "no such line", ""),)})
    with pytest.raises(MutantError, match=r"stale no longer fits impls/numpy/model\.py"):
        mutate(stale, "numpy")


def test_mutants_live_outside_the_tree_under_their_own_name(tmp_path: Path) -> None:
    package = plant.plant(CATALOGUE["swap_qk"], "torch", tmp_path)
    assert package == "swap_qk_torch"
    for path in (tmp_path / package).glob("*.py"):
        assert "impls.torch" not in path.read_text(encoding="utf-8")


def test_the_suite_kills_mutants_and_spares_the_healthy() -> None:
    """One process, so that the healthy copy is judged after the sick ones."""
    names = ("swap_qk", "tied_grad_forgets_one", "weights_rounded", None)
    swapped, tied, rounded, healthy = judge_all([(name, "numpy") for name in names], processes=1)
    assert healthy.fallen == {}
    assert len(healthy.passed) > 20
    assert "test_forward.py::test_taps" in swapped.fallen
    assert "test_forward.py::test_taps" in tied.passed
    assert "test_gradients.py::test_gradients" in tied.fallen
    assert 1e-10 < rounded.errors["logits"] < 1e-6
    assert rounded.errors["weights kept"] > 0
    assert "bigram" not in rounded.errors, "only those of the rows that it did not pass"


def test_the_matrix_fails_when_a_mutant_survives(monkeypatch, tmp_path, capsys) -> None:
    check = "test_forward.py::test_taps"
    alive = Verdict("swap_qk", "numpy", {}, [check])
    dead = Verdict("swap_qk", "torch", {check: "wrong"}, [])
    monkeypatch.setattr(report, "REPORT", tmp_path / "build" / "mutants.json")
    monkeypatch.setattr(matrix, "run", lambda *_: [alive, dead])
    assert matrix.main(["swap_qk"]) == 1
    assert "survived: swap_qk in numpy" in capsys.readouterr().out
    assert report.read_report() == report.Report(report.fingerprint(), [alive, dead])
    monkeypatch.setattr(matrix, "run", lambda *_: [dead])
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


def test_smallest_errors_are_those_that_the_limits_speak_of(monkeypatch) -> None:
    caught = [
        Verdict("swap_qk", "numpy", errors={"logits": 3e-5, "same text": 2.0}),
        Verdict("swap_qk", "torch", errors={"logits": 2e-5}),
    ]
    assert matrix.smallest_errors(caught) == {"logits": 2e-5}, "what is exact has no smallest"
    noted: dict[str, dict[str, float]] = {"logits": {"float64": 2.1e-5}}
    monkeypatch.setattr(matrix, "SMALLEST_MUTANT", noted)
    assert matrix.stale_limits(caught) == []
    noted["logits"]["float64"] = 1e-6
    assert matrix.stale_limits(caught) == [], "larger than promised"
    noted["logits"]["float64"] = 4e-5
    assert matrix.stale_limits(caught) == ['"logits": {"float64": 2.0e-05}']
    noted.clear()
    assert matrix.stale_limits(caught) == ['"logits": {"float64": 2.0e-05}']


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


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_do_what_their_examples_show(name: str) -> None:
    operator = OPERATORS[name]
    assert operator.examples()
    for example in operator.examples():
        before = example.pre_mutation_code
        found = mutate_code(before, operator, example.occurrence)
        assert (before if found is None else found) == example.post_mutation_code


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
        *("ours/DropStatement", "ours/MoveBound", "ours/ReplaceDtype", "ours/SwapArguments"),
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
    assert drawn == sample(SOURCES, 25, "0", set())
    assert drawn[:9] == sample(SOURCES, 9, "0", set())
    assert drawn != sample(SOURCES, 25, "1", set())
    assert len({found.place.site for found in drawn}) == 25
    assert len({found.mutated for found in drawn}) == 25
    kinds = Counter(found.place.site[1] for found in drawn)
    assert len(kinds) == 6
    assert max(kinds.values()) <= min(kinds.values()) + 1, "the kinds take turns"
    fewer = sample(SOURCES, 24, "0", {drawn[3].key})
    assert fewer == [*drawn[:3], *drawn[4:]], "what is noted as equivalent is passed over"
    every = {place.site for place in places(SOURCES)}
    assert len(sample(SOURCES, 1000, "0", set())) == len(every)


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_noted_as_equivalent_can_still_be_made(backend: str) -> None:
    noted = equivalents(backend)
    assert noted
    assert all(why.endswith(".") for why in noted.values())
    check_noted(sources_of(backend), noted, backend)


@pytest.mark.parametrize("part", range(4))
def test_a_note_that_no_longer_applies_is_an_error(part: int) -> None:
    sources = {"f.py": "def f(x):\n    return x + 1\n"}
    right = ("f.py", "f", "return x + 1", "return x - 1")
    check_noted(sources, {right: "."}, "numpy")
    wrong = (*right[:part], "nothing", *right[part + 1 :])
    with pytest.raises(MutantError, match=r"equivalent\.toml no longer fits impls/numpy/"):
        check_noted(sources, {right: ".", wrong: "."}, "numpy")


def judged(monkeypatch: pytest.MonkeyPatch, *fall: str) -> tuple[int, str]:
    """The status and the text, when of 20 mutants just those called `fall` fall."""
    monkeypatch.setattr(generic, "sources_of", lambda backend: SOURCES)
    monkeypatch.setattr(generic, "equivalents", lambda backend: {})

    def judge(tasks: list[Task], processes: int) -> Iterator[Verdict]:
        for mutant, backend in tasks:
            falls = "*" in fall or mutant.name in fall
            yield Verdict(mutant.name, backend, {"check": "wrong"} if falls else {})

    out = io.StringIO()
    status = generic.judge_sample(20, 5, ["numpy"], 1, Console(file=out, width=200), judge)
    return status, out.getvalue()


def test_survivors_are_printed_and_too_many_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"generic_5_{i}" for i in range(20)]
    assert judged(monkeypatch, *names) == (0, "numpy: 20 of 20 killed, 100.0%\n")
    status, text = judged(monkeypatch, *names[1:])
    (first,) = sample(SOURCES, 1, "5 numpy", set())
    assert text.startswith(f"survived:\n{generic.shown(first, 'numpy')}\n")
    assert f"{first.place.file}:{first.place.start[0]}" in text
    assert f"  - {first.old.splitlines()[0]}\n" in text
    assert f"  + {first.new.splitlines()[0]}\n" in text
    assert (status, text.splitlines()[-1]) == (0, "numpy: 19 of 20 killed, 95.0%")
    status, text = judged(monkeypatch, *names[2:])
    assert text.endswith("numpy: 18 of 20 killed, 90.0%; 95% is required\n")
    assert status == 1
    status, text = judged(monkeypatch, "*")
    assert text.startswith("the healthy copy of numpy fails check: wrong\n")
    assert status == 1


def test_the_suite_stops_at_the_first_check_that_falls() -> None:
    """Also before it: a mutant that cannot be imported counts as killed."""
    source = mutate(None, "numpy")["optim.py"]
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


def test_a_process_that_dies_is_no_verdict_until_it_is_the_mutant_s_own(monkeypatch) -> None:
    """Leftovers of earlier mutants may kill a process: the next mutant is then judged again."""
    monkeypatch.setattr(workers, "work", dies_after_two)
    tasks: list[Task] = [("swap_qk", "numpy"), ("fatal", "numpy"), ("swap_qk", "torch")]
    verdicts = [(v.mutant, v.backend, v.fallen) for v in judge_all(tasks, processes=1)]
    assert verdicts == [
        ("swap_qk", "numpy", {"nth": "0"}),
        ("fatal", "numpy", {"process": "the process ended"}),
        ("swap_qk", "torch", {"nth": "0"}),
    ]


def dies_after_two(pipe: Connection, directory: Path, first: bool) -> None:
    """Judges in one word, and ends in the midst of "fatal" or of the second mutant."""
    for nth in range(2):
        name, backend = pipe.recv()
        if name == "fatal" or nth:
            return
        pipe.send(Verdict(name, backend, {"nth": str(nth)}))
