"""The losses to expect: how they are measured, and what is said of a run beside them."""

from dataclasses import asdict
from pathlib import Path

import pytest

from audits import bands as measuring
from audits.results.record import RESULTS, read_results
from conformance.shared.checkpoints.samples import record
from lessons import check
from shared.commands.train import train_main
from shared.config import GPTConfig, load_preset
from shared.runs import bands as module
from shared.runs.bands import FREE, bands, recipe_of
from shared.runs.metrics import read_metrics
from shared.runs.plots import plot_losses
from shared.sources import ROOT
from tests.command_line import SMALL, error_of


@pytest.fixture
def measured(tiny, monkeypatch):
    """The options of a preset whose band three seeds have measured, in this process."""
    with Path("tiny.toml").open("a") as file:
        file.write("steps = 6\neval_interval = 3\n")
    for each in (module, measuring):
        monkeypatch.setattr(each, "BANDS", Path("bands.json").absolute())
    monkeypatch.setattr(measuring, "work_off", lambda do, tasks, *_: [(t, do(t)) for t in tasks])
    bands.cache_clear()
    assert measuring.main([*tiny, "--seeds", "3"]) == 0
    yield tiny
    bands.cache_clear()


def test_a_run_is_compared_with_other_seeds(measured, capsys, figures) -> None:
    """Both at the end of the training and later; the band is in its picture, too."""
    capsys.readouterr()
    assert train_main("torch", [*measured, "--out", "run", "--accumulate", "2", "--seed", "2"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert check.main(["run"]) == 0
    step, verdict = capsys.readouterr().out.splitlines()
    assert verdict in said
    assert ": inside the band " in verdict
    assert step == f"tiny on {measured[-1]}, step 6 of 6"
    plot_losses(Path("x.png"), read_metrics(Path("run/metrics.jsonl")), band=bands()[0])
    (filled,) = figures[0].axes[0].collections
    low, high = bands()[0].at(6)
    assert filled.get_paths()[0].get_extents().intervalx.tolist() == [0, 6]
    assert {low, high} <= {y for x, y in filled.get_paths()[0].vertices if x == 6}
    assert not measuring.main([*measured, "--seeds", "2"])
    assert [band.seeds for band in bands()] == [2], "the same preset on the same text"


def test_a_run_that_is_wrong_is_outside(measured, capsys, monkeypatch) -> None:
    monkeypatch.setattr("impls.numpy.backend.learning_rate", lambda config, step: 1e-5)
    assert train_main("numpy", [*measured, "--out", "run"]) == 0
    assert ": above the band " in capsys.readouterr().err
    assert check.main(["run"]) == 1


def test_what_was_not_measured(measured, capsys) -> None:
    assert train_main("numpy", [*measured, "--out", "part", "--eval-windows", "1"]) == 0
    assert "the band" not in capsys.readouterr().err, "a loss on a part is another loss"
    assert train_main("numpy", [*measured, *SMALL, "--n-layer", "2", "--out", "other"]) == 0
    assert "the band" not in capsys.readouterr().err
    message = error_of(capsys, check.main(["other"]))
    assert "n_layer is 2, not 1, batch_size is 2, not 4 (as tiny on " in message
    again = [*measured, "--init-from", "part", "--out", "tuned"]
    assert train_main("numpy", again) == train_main("numpy", ["--out", "part", "--resume"]) == 0
    assert "the band" not in capsys.readouterr().err, "what an ended run measured is not known"
    capsys.readouterr()
    assert "it is fine-tuned" in error_of(capsys, check.main(["tuned"]))
    Path(measured[-1]).write_text("another text " * 50)
    assert "is no longer the text that part was" in error_of(capsys, check.main(["part"]))
    module.BANDS.write_text('[{"preset": 3}]')
    bands.cache_clear()
    assert "there are none" in error_of(capsys, check.main(["part"]))


def test_bands_are_of_the_presets_as_they_are() -> None:
    measured = {(band.preset, band.dataset) for band in bands()}
    assert measured >= {(name, "tinyshakespeare") for name in ("nanogpt-cpu", "classroom")}
    for band in bands():
        preset = load_preset(band.preset)
        expected = preset.model | asdict(preset.train) | {"tokenizer": preset.tokenizer}
        fixed = {key: value for key, value in expected.items() if key not in FREE}
        assert fixed.items() <= band.recipe.items(), band.preset
        assert band.recipe.keys() == recipe_of(GPTConfig(1), record()).keys(), "measure again"
        assert {len(losses) for losses in band.val_losses.values()} == {20}


def test_the_published_results_are_inside() -> None:
    """Those of all backends, with a seed that the bands have not; and the examples in texts."""
    of = {(band.preset, band.dataset): band for band in bands()}
    found = [(of.get((r.preset, r.dataset)), r) for r in read_results(RESULTS)]
    said = [band.verdict(r.steps, r.val_loss) for band, r in found if band is not None]
    assert all(": inside " in verdict for verdict in said), said
    for page in ("README.md", "docs/pages/12-the-training-loop.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert any(f"`{verdict}`" in text for verdict in said), page
