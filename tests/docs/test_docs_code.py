"""The parts of pages that come from code: excerpts, aligned lines, commands and figures."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docs import data, runs
from docs.commands import CommandError, check_command, commands_of
from docs.extensions.code.alignment import Placed, place, units
from docs.extensions.code.excerpts import ExcerptError, find_excerpt
from docs.extensions.code.highlighting import highlighted_lines
from docs.extensions.proofs.proof import checks_named
from docs.producers import losses
from shared.errors import BackendError, UserError
from shared.protocol import BACKENDS
from shared.sources import ROOT, fingerprint

# Excerpts


def text_of(path: str, name: str, **options: Any) -> list[str]:
    return [line.text for line in find_excerpt(path, name, **options).lines]


@pytest.mark.parametrize(
    ("place", "name", "first", "last"),
    [
        ("numpy/model.py", "MLP.forward", "def forward(", "    return self.c_proj(x)"),
        ("torch/model.py", "MLP.forward", "def forward(", "    return self.c_proj(x)"),
        ("jax/model.py", "MLP.forward", "def __call__(", "    return self.c_proj(x)"),
        ("numpy/model.py", "MLP", "class MLP", "        return self.c_proj(x)"),
        ("numpy/model.py", "MLP.backward", "def backward(", "    return "),
        ("torch/attention_steps.py", "attention_steps", "@torch", "    return "),
        ("torch/model.py", "ACTIVATIONS", "ACTIVATIONS = {", "}"),
    ],
)
def test_an_excerpt_is_found(place: str, name: str, first: str, last: str) -> None:
    """And knows where it stands; a class of NumPy's is shown without its backward."""
    excerpt = find_excerpt(f"impls/{place}", name)
    path, number = excerpt.place.split(":")
    line = (ROOT / path).read_text(encoding="utf-8").splitlines()[int(number) - 1]
    assert line.strip().startswith(first)
    assert excerpt.lines[0].text.startswith(first)
    assert excerpt.lines[-1].text.startswith(last)
    assert name == "MLP.backward" or "backward" not in "".join(map(str, excerpt.lines))


def test_docstrings_can_be_left_out_unless_there_is_nothing_else() -> None:
    with_it = text_of("impls/numpy/model.py", "merge_heads")
    without = text_of("impls/numpy/model.py", "merge_heads", docstring=False)
    assert [line for line in with_it if '"""' not in line] == without
    assert len(without) == len(with_it) - 1
    lines = text_of("impls/numpy/model.py", "SinusoidalEmbedding.backward", docstring=False)
    assert lines[-1].strip() == '"""Nothing to train."""'


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


NAMES = ("CausalSelfAttention.forward", "GPT.__init__", "MLP", "Block", "cross_entropy")


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_shown_once_and_in_order(name: str) -> None:
    for backend, some in placed(name).items():
        lines = [line for p in some for line in p.unit.lines]
        assert tuple(lines) == find_excerpt(f"impls/{backend}/model.py", name).lines
        rows = [p.row for p in some]
        assert rows == sorted(set(rows)), "two units of a backend in one row"


FORWARD = "CausalSelfAttention.forward"


@pytest.mark.parametrize(
    ("name", "backend", "text", "counterparts"),
    [
        (
            *(FORWARD, "numpy", "att = np.where(mask"),
            {"torch": ["att = scores.masked_fill"], "jax": ["att = jnp.wher"]},
        ),
        (FORWARD, "jax", "k, v = cache.extend", {"numpy": ["k, v = cache.extend(k, v"]}),
        (FORWARD, "torch", ") -> Float", {"numpy": [""], "jax": [""]}),
        ("MLP", "torch", "def forward", {"jax": ["def __call__"]}),
        # An array, and the part of it that is assigned
        ("average_by_loop", "numpy", "y[:, t] = ", {"torch": ["y[:, t] = "], "jax": ["y = y.at"]}),
        # What only one backend does
        (FORWARD, "torch", "y = functional.scaled_dot", {"numpy": [], "jax": []}),
        (FORWARD, "numpy", "self.saved = ", {"torch": [], "jax": []}),
        # One call, and all that it stands for
        (
            *("cross_entropy", "torch", "return functional.cross_entropy"),
            {"jax": ["return "], "numpy": ["top ", "log_sum ", "chosen ", "return "]},
        ),
    ],
)
def test_the_same_value_corresponds_however_it_is_computed(
    name: str, backend: str, text: str, counterparts: dict[str, list[str]]
) -> None:
    found = placed(name, "attention_steps.py" if "average" in name else "model.py")
    (own,) = [p for p in found[backend] if text in p.unit.lines[-1].text]
    for other, starts in counterparts.items():
        lines = [p.unit.lines[-1].text.strip() for p in found[other] if p.links & own.links]
        assert len(lines) == len(starts), lines
        assert all(map(str.startswith, lines, starts)), lines


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
    assert first.text.startswith("usage: ")
    assert runs.printed(COMMAND, run=False) == first
    printing["fingerprint"] = "two"
    assert runs.printed(COMMAND, run=False) == replace(first, stale=True)
    assert runs.printed(COMMAND, run=True) == replace(first, fingerprint="two")


@pytest.mark.usefixtures("printing")
def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(CommandError, match=r"fails \(status 2\).*--wrong: .*--wrong"):
        runs.printed("python -m json.tool --wrong", run=True)


# Producers


def test_a_figure_is_measured_again_when_a_source_changes(tmp_path, monkeypatch) -> None:
    source, directory, times = tmp_path / "source.py", tmp_path / "data", []
    source.write_text("a = 1\n")
    producer = data.Producer(
        "times", "times", (str(source),), lambda: times.append(1) or len(times)
    )
    monkeypatch.setattr(data, "fingerprint", lambda names: fingerprint(["source.py"], tmp_path))
    assert data.read(producer, directory) is None
    assert data.make([producer], directory) == []
    assert data.make([producer], directory) == []
    assert len(times) == 1
    source.write_text("a = 2\n")
    assert data.read(producer, directory).stale
    data.make([producer], directory)
    new = data.read(producer, directory)
    assert not new.stale
    assert new.data == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": 1}'])
def test_a_figure_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "losses.json").write_text(content)
    assert data.read(losses.PRODUCER, tmp_path) is None


def test_what_cannot_be_measured_is_told_in_a_line(tmp_path: Path) -> None:
    def measure() -> None:
        raise BackendError("torch is not installed")

    producer = data.Producer("never", "nothing", ("noxfile.py",), measure)
    told = data.make([producer], tmp_path)
    assert told == ["never could not be measured: torch is not installed"]
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
