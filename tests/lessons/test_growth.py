"""How a step grows. The README's command shows the tables: house/test_commands_shown.py."""

import pytest

from lessons.profile import growth


def test_memory_grows_as_the_formula_says(monkeypatch) -> None:
    monkeypatch.setattr(growth, "FACTORS", (0.25, 0.5))
    costs = [cost for (cost,) in growth.measure_growth("classroom", ["numpy"])]
    sizes = [("batch_size", 4), ("batch_size", 8), ("block_size", 8), ("block_size", 16)]
    sizes += [("n_embd", 16), ("n_embd", 32), ("n_layer", 1)]  # a quarter of 2 layers is one, too
    assert [(cost.size, cost.value) for cost in costs] == sizes
    for cost in costs:
        assert cost.activations == pytest.approx(cost.predicted, rel=0.15)
