"""Where time and memory of a step go: every part is found, and the formula is what is measured."""

import pytest

from lessons.profile.__main__ import main
from lessons.profile.measuring import ALL, COMPILED, PARTS, REST, measure, part_of


@pytest.mark.parametrize("backend", [name for name in ALL if name != COMPILED])
def test_every_part_takes_time_and_the_formula_says_how_much_memory(backend: str) -> None:
    profile = measure(backend, "classroom")
    parts = {part for part, seconds in profile.parts.items() if seconds > 0} - {REST}
    assert parts == set(PARTS) - {"compiled together"}
    first, *_ = profile.operations.values()
    assert first == max(profile.operations.values())
    if backend == "jax":  # its program has gradients there, too, and what XLA copies
        assert profile.predicted < profile.activations < 3 * profile.predicted
    else:  # means and deviations are not predicted
        assert profile.activations == pytest.approx(profile.predicted, rel=0.03)


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("loss_function > GPT.__call__ > Block.__call__ > MLP.__call__ > Linear.__call__", 0),
        ("loss_function > GPT.__call__ > Block.__call__ > CausalSelfAttention.__call__", 1),
        ("softmax_backward", 1),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", 1),
        ("GPT.__call__ > Block.__call__ > MLP.__call__ > <lambda>", 3),
        ("loss_function > cross_entropy > softmax_cross_entropy_with_integer_labels", 5),
        ("Optimizer.step#AdamW.step", 6),
    ],
)
def test_operations_belong_to_parts_by_name(operation: str, part: int) -> None:
    assert part_of(operation) == list(PARTS)[part]
    assert part_of("transpose_copy_fusion.27") == REST


def test_one_backend_is_taken_apart(capsys) -> None:
    assert main(["--backend", "numpy", "--preset", "classroom", "--operations", "1"]) == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("linear layers", "Linear.backward", "by formula"))
