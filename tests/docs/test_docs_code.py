"""The parts of pages that come from code: excerpts, aligned lines, commands and figures."""

import re
from pathlib import Path
from typing import Any

import pytest

from docs import data, runs
from docs.commands import CommandError, check_command, commands_of
from docs.extensions.code.alignment import Placed, place, units
from docs.extensions.code.excerpts import ExcerptError, find_excerpt
from docs.extensions.code.highlighting import highlighted_lines
from docs.extensions.proofs.proof import checks_named
from shared.errors import BackendError, UserError
from shared.protocol import BACKENDS
from shared.sources import ROOT, fingerprint

# Excerpts


def text_of(path: str, name: str, **options: Any) -> list[str]:
    return [line.text for line in find_excerpt(path, name, **options).lines]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_forward_is_found_in_every_backend(backend: str) -> None:
    first, *_, last = text_of(f"impls/{backend}/model.py", "MLP.forward")
    assert first.startswith("def __call__(" if backend == "jax" else "def forward(")
    assert last == "    return self.c_proj(x)"


def test_an_excerpt_knows_where_it_stands() -> None:
    excerpt = find_excerpt("impls/torch/model.py", "merge_heads")
    path, number = excerpt.place.split(":")
    line = (ROOT / path).read_text(encoding="utf-8").splitlines()[int(number) - 1]
    assert line.startswith("def merge_heads(")


def test_docstrings_can_be_left_out_unless_there_is_nothing_else() -> None:
    with_it = text_of("impls/numpy/model.py", "merge_heads")
    without = text_of("impls/numpy/model.py", "merge_heads", docstring=False)
    assert [line for line in with_it if '"""' not in line] == without
    assert len(without) == len(with_it) - 1
    lines = text_of("impls/numpy/model.py", "SinusoidalEmbedding.backward", docstring=False)
    assert lines[-1].strip() == '"""Nothing to train."""'


def test_a_class_is_shown_without_its_backward() -> None:
    lines = text_of("impls/numpy/model.py", "MLP")
    assert any("def forward" in line for line in lines)
    assert not any("backward" in line for line in lines)
    assert lines[-1].strip()
    assert text_of("impls/numpy/model.py", "MLP.backward")[0].startswith("def backward")


def test_decorators_and_tables_are_found() -> None:
    assert text_of("impls/torch/attention_steps.py", "attention_steps")[0].startswith("@torch")
    assert text_of("impls/torch/model.py", "ACTIVATIONS")[0] == "ACTIVATIONS = {"


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [
        ("impls/numpy/model.py", "MultiHead", "no MultiHead in impls/numpy/model.py"),
        ("impls/torch/model.py", "MLP.backward", "no MLP.backward in"),
        ("impls/torch/models.py", "GPT", "no file impls/torch/models.py"),
    ],
)
def test_what_is_not_there_is_named(path: str, name: str, said: str) -> None:
    with pytest.raises(ExcerptError, match=re.escape(said)):
        find_excerpt(path, name)


# Corresponding lines


def placed(name: str, file: str = "model.py") -> dict[str, list[Placed]]:
    excerpts = {backend: find_excerpt(f"impls/{backend}/{file}", name) for backend in BACKENDS}
    return place({backend: units(excerpt) for backend, excerpt in excerpts.items()})


def counterparts(found: dict[str, list[Placed]], backend: str, text: str) -> dict[str, list[str]]:
    """The lines of the other backends that belong to the one with this text."""
    (own,) = [p for p in found[backend] if text in p.unit.lines[-1].text]
    return {
        other: [p.unit.lines[-1].text.strip() for p in some if p.links & own.links]
        for other, some in found.items()
        if other != backend
    }


NAMES = ("CausalSelfAttention.forward", "GPT.__init__", "MLP", "Block", "cross_entropy")


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_shown_once_and_in_order(name: str) -> None:
    for backend, some in placed(name).items():
        lines = [line for p in some for line in p.unit.lines]
        assert tuple(lines) == find_excerpt(f"impls/{backend}/model.py", name).lines
        rows = [p.row for p in some]
        assert rows == sorted(set(rows)), "two units of a backend in one row"


def test_the_same_value_corresponds_however_it_is_computed() -> None:
    backends = placed("CausalSelfAttention.forward")
    found = counterparts(backends, "numpy", "att = np.where(mask")
    assert [line[:24] for line in found["torch"]] == ["att = scores.masked_fill"]
    assert [line[:14] for line in found["jax"]] == ["att = jnp.wher"]
    found = counterparts(backends, "jax", "k, v = cache.extend")
    assert [line[:24] for line in found["numpy"]] == ["k, v = cache.extend(k, v"]
    found = counterparts(backends, "torch", ") -> Float")
    assert [len(lines) for lines in found.values()] == [1, 1]
    found = counterparts(placed("MLP"), "torch", "def forward")
    assert [line[:12] for line in found["jax"]] == ["def __call__"]


def test_an_array_corresponds_to_the_part_of_it_that_is_assigned() -> None:
    backends = placed("average_by_loop", "attention_steps.py")
    found = counterparts(backends, "numpy", "y[:, t] = ")
    assert found["torch"][0].startswith("y[:, t] = ")
    assert found["jax"][0].startswith("y = y.at[:, t].set(")


def test_what_only_one_backend_does_has_no_counterpart() -> None:
    backends = placed("CausalSelfAttention.forward")
    fused = counterparts(backends, "torch", "y = functional.scaled_dot_product_attention")
    assert fused == {"numpy": [], "jax": []}
    assert counterparts(backends, "numpy", "self.saved = ") == {"torch": [], "jax": []}


def test_one_call_corresponds_to_all_that_it_stands_for() -> None:
    found = counterparts(placed("cross_entropy"), "torch", "return functional.cross_entropy")
    assert [line.split(" ")[0] for line in found["jax"]] == ["return"]
    assert [line.split(" ")[0] for line in found["numpy"]] == ["top", "log_sum", "chosen", "return"]


def test_shapes_in_comments_are_marked() -> None:
    plain, shaped = highlighted_lines(["x = a[B]  # not a shape: [1]", "y = x  # 3 × [B, T, C]"])
    assert "shape" not in plain.replace("not a shape", "")
    assert '3 × <span class="shape">[B, T, C]</span>' in shaped


def test_lines_stand_for_themselves() -> None:
    for line in highlighted_lines(['s = """a', 'b < c"""', "", "t = 1"]):
        assert line.count("<span") == line.count("</span>")


# Commands


@pytest.mark.parametrize(
    "command",
    [
        "nox -s conformence",
        "nox -s break_ -- swap_qk",
        "nox -s break -- swap_qkv --backend torch",
        "nox -s break -- fused_kernel_without_mask --backend numpy",
        "nox -s train-torch --steps 5",
        "nox -s train-torch -- --stepps 5",
        "python -m impls.numpy.train --preset gpt5",
        "python -m lessons.benches",
        "python -m impls",
        "rm -r runs",
    ],
)
def test_bad_commands(command: str) -> None:
    with pytest.raises(UserError):
        check_command(command)


def test_commands_are_found() -> None:
    page = "a\n```{try} T\n:command: nox -s compare\n\ntext\n```\n```sh\n# no\nnox -s lint\n```\n"
    assert commands_of(page) == ["nox -s compare", "nox -s lint"]


# The output of commands


@pytest.fixture
def printing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A temporary directory, and sources with a fingerprint chosen by the test."""
    now = {"fingerprint": "one"}
    monkeypatch.setattr(runs, "DIRECTORY", tmp_path / "printed")
    monkeypatch.setattr(runs, "fingerprint", lambda sources: now["fingerprint"])
    return now


COMMAND = "python -m json.tool --help"


def test_what_a_command_prints_is_kept_until_a_source_changes(printing: dict[str, str]) -> None:
    assert runs.printed(COMMAND, run=False) is None
    first = runs.printed(COMMAND, run=True)
    assert first is not None
    assert first.text.startswith("usage: ")
    assert runs.printed(COMMAND, run=False) == first
    printing["fingerprint"] = "two"
    old = runs.printed(COMMAND, run=False)
    assert old is not None
    assert old.stale
    assert old.text == first.text
    new = runs.printed(COMMAND, run=True)
    assert new is not None
    assert not new.stale
    assert new.fingerprint == "two"


@pytest.mark.usefixtures("printing")
def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(CommandError, match=r"fails \(status 2\).*--wrong: .*--wrong"):
        runs.printed("python -m json.tool --wrong", run=True)


# Producers


class Counting:
    """Something to measure, which counts its measurements."""

    def __init__(self, source: Path) -> None:
        self.times = 0
        self.producer = data.Producer("counted", "counting", (str(source),), self.measure)

    def measure(self) -> dict[str, int]:
        self.times += 1
        return {"times": self.times}


def test_a_figure_is_measured_again_when_a_source_changes(tmp_path: Path) -> None:
    source, directory = tmp_path / "source.py", tmp_path / "data"
    source.write_text("a = 1\n")
    # A path from the root of the file system stays what it is below any other.
    counting = Counting(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "fingerprint", lambda names: fingerprint(["source.py"], tmp_path))
        assert data.read(counting.producer, directory) is None
        assert data.make([counting.producer], directory) == []
        assert data.make([counting.producer], directory) == []
        assert counting.times == 1
        source.write_text("a = 2\n")
        old = data.read(counting.producer, directory)
        assert old is not None
        assert old.stale
        data.make([counting.producer], directory)
        new = data.read(counting.producer, directory)
        assert new is not None
        assert not new.stale
        assert new.data == {"times": 2}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": 1}'])
def test_a_figure_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    counting = Counting(ROOT / "noxfile.py")
    (tmp_path / "counted.json").write_text(content)
    assert data.read(counting.producer, tmp_path) is None


def test_what_cannot_be_measured_is_told_in_a_line(tmp_path: Path) -> None:
    def measure() -> None:
        raise BackendError("torch is not installed")

    producer = data.Producer("never", "nothing", ("noxfile.py",), measure)
    (line,) = data.make([producer], tmp_path)
    assert line == "never could not be measured: torch is not installed"
    assert not list(tmp_path.iterdir())


def test_a_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text("1")
    first = fingerprint(["a"], tmp_path)
    (tmp_path / "a" / "__pycache__").mkdir()
    (tmp_path / "a" / "__pycache__" / "x.pyc").write_text("1")
    assert fingerprint(["a"], tmp_path) == first
    (tmp_path / "a" / "x.py").rename(tmp_path / "a" / "y.py")
    assert fingerprint(["a"], tmp_path) != first
    with pytest.raises(FileNotFoundError, match="b does not exist"):
        fingerprint(["b"], tmp_path)


def test_a_check_may_have_a_comma_in_its_name() -> None:
    named = checks_named("taps, AdamW, 1 step, logits,AdamW, 20 steps")
    assert named == ["taps", "AdamW, 1 step", "logits", "AdamW, 20 steps"]
    assert checks_named("no such, 1 step") == ["no such", "1 step"]
