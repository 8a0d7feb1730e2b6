"""The results: the README's table is the measured one, and nothing is measured twice or lost."""

from dataclasses import replace

import pytest

from audits.readme import README, markers
from audits.results import __main__ as program
from audits.results.record import HUGE, RESULTS, Result, fingerprint, read_results
from audits.results.table import escape_markdown, markdown
from shared.config import preset_names
from shared.protocol import BACKENDS

BEGIN, END = markers("results")
RESULT = Result(
    *("classroom", "numpy", "tinyshakespeare", ""),
    **{"steps": 1200, "val_loss": 2.01, "bits_per_byte": 2.906, "bigram": 2.48, "floor": None},
    **{"seconds": 11.4, "sample": "ROMEO: a | b"},
)


def test_the_table_in_the_readme_is_that_of_the_results_and_all_beat_the_bigram() -> None:
    results = read_results(RESULTS)
    assert results
    text = README.read_text(encoding="utf-8")
    assert f"{BEGIN}{markdown(results)}{END}" in text, (
        "README.md and results.json disagree: python -m audits.results writes both"
    )
    for result in results:
        assert result.good, f"{result.preset} in {result.backend}"
        assert result.preset in preset_names()
        assert result.backend in BACKENDS
        assert result.dataset in ("tinyshakespeare", "playlets")
        assert result.floor is None or result.floor < result.val_loss


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<unk> & co", "&lt;unk&gt; &amp; co"),
        ("`*_[x]~$\\", r"\`\*\_\[x\]\~\$\\"),
        ("\x1b[2J\x07", r"\\x1b\[2J\\x07"),
        ("two\tspaces  here", "two spaces here"),
    ],
)
def test_a_sample_can_say_nothing_in_markdown(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


@pytest.fixture
def trained(tmp_path, monkeypatch) -> list[tuple[str, str]]:
    """The command with a temporary store and README; trainings only record their names."""
    trained: list[tuple[str, str]] = []

    def train(preset: str, backend: str, dataset: str) -> Result:
        trained.append((preset, backend))
        made = {"backend": backend, "dataset": dataset, "sources": fingerprint(backend)}
        return replace(RESULT, preset=preset, **made)

    (tmp_path / "README.md").write_text(f"before\n{BEGIN}old\n{END}after\n")
    monkeypatch.setattr(program, "_train", train)
    monkeypatch.setattr("audits.results.record.RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(program, "README", tmp_path / "README.md")
    return trained


def results_of(*options: str) -> int:
    return program.main([*options, "--dataset", "playlets"])


ALL = [name for name in preset_names() if name not in HUGE]
CHOSEN = "--preset original --preset gpt2 --backend jax --backend numpy"


@pytest.mark.parametrize(
    ("options", "presets", "backends"),
    [("", ALL, BACKENDS), (CHOSEN, ["original", "gpt2"], ["numpy", "jax"])],
)
def test_all_presets_are_trained_in_every_backend_or_some_when_asked(
    options, presets, backends, trained, capsys
) -> None:
    assert results_of(*options.split()) == 0
    assert trained == [(preset, backend) for preset in presets for backend in backends]
    out = capsys.readouterr().out
    assert all((name in out) == (name in presets) for name in ("original", "classroom"))


def test_what_was_trained_is_not_trained_again(trained, tmp_path, monkeypatch, capsys) -> None:
    options = ["--preset", "classroom", "--backend", "numpy"]
    assert results_of(*options) == 0
    assert results_of(*options) == 0
    assert len(trained) == 1
    assert "classroom, numpy: trained before" in capsys.readouterr().err
    readme, results = tmp_path / "README.md", read_results(tmp_path / "results.json")
    assert readme.read_text() == f"before\n{BEGIN}{markdown(results)}{END}after\n"
    monkeypatch.setattr("audits.results.record.fingerprint", lambda backend: "of other sources")
    assert results_of(*options) == 0
    assert len(trained) == 2


def test_what_was_finished_before_a_stop_is_kept(trained, tmp_path, monkeypatch) -> None:
    train = program._train

    def stop_in_jax(preset: str, backend: str, dataset: str) -> Result:
        if backend == "jax":
            raise KeyboardInterrupt
        return train(preset, backend, dataset)

    with monkeypatch.context() as patch:
        patch.setattr(program, "_train", stop_in_jax)
        assert results_of("--preset", "gpt2") == 130
    assert [row.backend for row in read_results(tmp_path / "results.json")] == ["numpy", "torch"]
    trained.clear()
    assert results_of("--preset", "gpt2") == 0
    assert trained == [("gpt2", "jax")]


def test_a_preset_that_is_hardly_better_than_the_bigram_fails(trained, monkeypatch, capsys) -> None:
    monkeypatch.setattr(program, "_train", lambda *_: replace(RESULT, preset="gpt2", val_loss=2.4))
    assert results_of("--preset", "gpt2", "--backend", "numpy") == 1
    assert "not clearly better than the bigram (over 95% of its loss): gpt2 in numpy\n" in (
        capsys.readouterr().err
    )
