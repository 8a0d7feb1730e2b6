"""How a step grows: time and memory of every size, beside the formulas."""

import pytest

from lessons.growth import main
from lessons.profile import growth


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr(growth, "FACTORS", (0.25, 0.5))


@pytest.mark.usefixtures("small")
def test_memory_grows_as_the_formula_says() -> None:
    costs = [cost for (cost,) in growth.measure_growth("classroom", ["numpy"])]
    sizes = [("batch_size", 4), ("batch_size", 8), ("block_size", 8), ("block_size", 16)]
    sizes += [("n_embd", 16), ("n_embd", 32), ("n_layer", 1)]  # a quarter of 2 layers is one, too
    assert [(cost.size, cost.value) for cost in costs] == sizes
    for cost in costs:
        assert cost.activations == pytest.approx(cost.predicted, rel=0.15)
        assert 0 < cost.seconds < 60


@pytest.mark.usefixtures("small")
def test_the_tables_show_every_size(capsys) -> None:
    assert main(["--preset", "classroom", "--backend", "numpy"]) == 0
    out = capsys.readouterr().out
    for size in growth.SIZES:
        assert f"{size}: time" in out
        assert f"{size}: activations" in out
    assert "numpy MiB" in out
    assert "torch" not in out.replace("PyTorch", "")
