"""The parts of pages that come from code: excerpts, aligned lines and figures."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs import data
from docs.data import Producer, ProducerError
from docs.extensions.code.alignment import Unit, place, units
from docs.extensions.code.excerpts import find_excerpt
from docs.extensions.code.panes import highlighted_lines
from docs.producers.printed import printed
from shared.errors import BackendError
from shared.protocol import BACKENDS
from shared.sources import ROOT, fingerprint

# Excerpts


def text_of(name: str, **options) -> list[str]:
    return [line.text for line in find_excerpt("impls/numpy/model.py", name, **options).lines]


@pytest.mark.parametrize(
    ("place", "name", "first", "last"),
    [
        ("jax/model.py", "MLP.forward", "def __call__(", "    return self.dropout(self.c_proj(x))"),
        ("numpy/model.py", "MLP", "class MLP", "        return self.dropout(self.c_proj(x))"),
        ("numpy/model.py", "MLP.backward", "def backward(", "    return "),
        ("torch/road/attention_steps.py", "attention_steps", "@torch", "    return "),
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
    with_it = text_of("merge_heads")
    without = text_of("merge_heads", docstring=False)
    assert [line for line in with_it if '"""' not in line] == without
    assert len(without) == len(with_it) - 1
    lines = text_of("SinusoidalEmbedding.backward", docstring=False)
    assert lines[-1].strip() == '"""Nothing to train."""'


# Corresponding lines


def placed(name: str, file: str = "model.py") -> dict[str, list[Unit]]:
    found = {b: units(find_excerpt(f"impls/{b}/{file}", name)) for b in BACKENDS}
    place(list(found.values()))
    return found


FORWARD = "CausalSelfAttention.forward"


@pytest.mark.parametrize("name", [FORWARD, "GPT.__init__", "MLP", "Block", "cross_entropy"])
def test_every_line_is_shown_once_and_in_order(name: str) -> None:
    for backend, some in placed(name).items():
        lines = [line for unit in some for line in unit.lines]
        assert tuple(lines) == find_excerpt(f"impls/{backend}/model.py", name).lines
        rows = [unit.row for unit in some]
        assert rows == sorted(set(rows)), "two units of a backend in one row"


LINES = tomllib.loads(Path(__file__).with_name("corresponding.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", LINES["line"], ids=lambda line: line["of"])
def test_the_same_value_corresponds_however_it_is_computed(line: dict[str, Any]) -> None:
    found = placed(line["of"], "road/attention_steps.py" if "average" in line["of"] else "model.py")
    (backend,) = line.keys() & set(BACKENDS)
    (own,) = [unit for unit in found[backend] if line[backend] in unit.lines[-1].text]
    for other, starts in line["others"].items():
        lines = [it.lines[-1].text.strip() for it in found[other] if set(it.links) & set(own.links)]
        assert len(lines) == len(starts), lines
        assert all(map(str.startswith, lines, starts)), lines


def test_lines_stand_for_themselves_and_shapes_in_comments_are_marked() -> None:
    for line in highlighted_lines(['s = """a', 'b < c"""', "", "t = 1"]):
        assert line.count("<span") == line.count("</span>")
    plain, shaped = highlighted_lines(["x = a[B]  # not a shape: [1]", "y = x  # 3 × [B, T, C]"])
    assert "shape" not in plain.replace("not a shape", "")
    assert '3 × <span class="shape">[B, T, C]</span>' in shaped


# Producers


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory of figures, which depend on nothing but source.py in it."""
    (tmp_path / "source.py").write_text("a = 1\n")
    monkeypatch.setattr(data, "DIRECTORY", tmp_path)
    monkeypatch.setattr(data, "fingerprint", lambda names: fingerprint(["source.py"], tmp_path))
    return tmp_path


def test_a_figure_is_measured_again_when_a_source_changes(measured: Path) -> None:
    times: list[int] = []
    producer = Producer("times", "times", lambda: times.append(1) or len(times))
    assert data.read(producer) is None
    assert data.make([producer]) == []
    assert data.make([producer]) == []
    assert data.read(producer) == data.Product(1)
    (measured / "source.py").write_text("a = 2\n")
    assert data.read(producer) == data.Product(1, stale=True)
    data.make([producer])
    assert data.read(producer) == data.Product(2)
    producer.path.write_text("[]")
    assert data.read(producer) is None


def test_what_cannot_be_measured_is_told_in_a_line_unless_it_is_a_mistake(measured: Path) -> None:
    def producer(error: Exception) -> Producer:
        def measure() -> None:
            raise error

        return Producer("never", "nothing", measure)

    told = data.make([producer(BackendError("torch is not installed"))])
    assert told == ["never could not be measured: torch is not installed"]
    with pytest.raises(ProducerError, match="a bug"):
        data.make([producer(ProducerError("a bug"))])
    assert [path.name for path in measured.iterdir()] == ["source.py"]


def test_a_command_is_run_for_what_it_prints(measured: Path) -> None:
    producer = printed("python -m json.tool --help")
    data.make([producer])
    assert data.read(producer).data.startswith("usage: ")
