"""What holds for every text that is drawn, every schedule, and every random number."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.cases import BASE
from conformance.reference import continue_text
from shared import randomness
from shared.config import SampleConfig, TrainConfig
from shared.schedule import learning_rate
from tests.drawn import FEW, SEEDS, WIDE, Drawn, drawn, fill

# Text

samplings = st.builds(
    SampleConfig,
    max_new_tokens=st.integers(0, 12),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.none() | st.integers(1, 10),
    top_p=st.none() | st.floats(0.05, 1.0),
    seed=st.integers(0, 2**62),
)


@WIDE
@given(drawn(), samplings)
def test_a_text_is_what_full_forwards_give(it: Drawn, config: SampleConfig) -> None:
    """With a cache, and past the window, and drawn by the definition."""
    model = it.model()
    text = list(model.generate(it.tokens[0], config))
    assert text == continue_text(model, it.tokens[0], config)


@WIDE
@given(drawn(), samplings, st.data())
def test_a_text_continues_itself(it: Drawn, config: SampleConfig, data: st.DataObject) -> None:
    """Stopped anywhere and taken up again, it goes on as if nothing had been."""
    model, prompt = it.model(), it.tokens[0]
    text = list(model.generate(prompt, config))
    middle = data.draw(st.integers(0, len(text)))
    rest = replace(config, max_new_tokens=len(text) - middle)
    longer = np.concatenate([prompt, np.array(text[:middle], dtype=prompt.dtype)])
    assert list(model.generate(longer, rest)) == text[middle:]


@WIDE
@given(drawn(), samplings)
def test_only_the_likely_are_drawn(it: Drawn, config: SampleConfig) -> None:
    """Of the top k, one; of the top p, one before which less than p has gone."""
    model, tokens = it.model(), it.tokens[0].tolist()
    for token in model.generate(it.tokens[0], config):
        window = np.array([tokens[-it.config.block_size :]])
        logits = model.logits(window)[0, -1]
        likelier = logits > logits[token] + 1e-9
        assert likelier.sum() < (config.top_k or it.config.vocab_size)
        if config.temperature == 0:
            assert not likelier.any()
        elif config.top_p is not None:
            kept = np.sort(logits)[::-1][: config.top_k]
            total = np.exp((kept - kept[0]) / config.temperature).sum()
            before = np.exp((logits[likelier] - kept[0]) / config.temperature).sum() / total
            assert before < config.top_p + 1e-9
        tokens.append(token)


@pytest.mark.parametrize("room", ["torch", "jax"])
def test_the_others_write_what_numpy_does(room: str) -> None:
    """The same text, whatever the sampling, across the edge of the window."""

    @FEW
    @given(SEEDS, samplings)
    def check(seed: int, config: SampleConfig) -> None:
        it = fill(replace(BASE, n_layer=1), seed, batch_size=1, length=5)
        texts = [list(it.model(room=r).generate(it.tokens[0], config)) for r in ("numpy", room)]
        assert texts[0] == texts[1]

    check()


# The schedule


@st.composite
def trainings(draw: st.DrawFn) -> TrainConfig:
    """Schedules of all kinds, with a warm-up that may be longer than the training."""
    peak = draw(st.floats(1e-6, 1.0))
    return TrainConfig(
        steps=draw(st.integers(1, 60)),
        warmup_steps=draw(st.integers(0, 70)),
        learning_rate=peak,
        min_lr=peak * draw(st.floats(0, 1)),
        schedule=draw(st.sampled_from(["cosine", "constant"])),
    )


@WIDE
@given(trainings())
def test_the_schedule_rises_to_its_peak_and_falls_to_its_floor(config: TrainConfig) -> None:
    """In equal steps from above zero up to the peak, which it meets without a jump; from there
    down, in ever so small steps, to the floor at the end, and no further."""
    peak, warmup = config.learning_rate, config.warmup_steps
    rates = [learning_rate(config, step) for step in range(140)]
    tiny = 1e-12 * peak  # what rounding may do to any of them
    assert all(0 <= rate <= peak + tiny for rate in rates)
    rise = np.diff([0.0, *rates[:warmup]])
    np.testing.assert_allclose(rise, peak / (warmup + 1), rtol=1e-9)
    if config.schedule == "constant":
        assert set(rates[warmup:]) == {peak}
        return
    if warmup < config.steps:
        assert abs(rates[warmup] - peak) <= tiny
    fall = -np.diff(rates[warmup:])
    assert (fall >= -tiny).all()
    # A cosine is steepest in its middle, with a slope of π/2 times that of the straight line.
    length = max(config.steps - warmup, 1)
    assert (fall <= (peak - config.min_lr) * np.pi / 2 / length + tiny).all()
    assert all(rate == config.min_lr for rate in rates[max(config.steps, warmup) :])


# Random numbers

positions = st.lists(st.integers(0, 2**62), min_size=1, max_size=20, unique=True)
seeds = st.integers(0, 2**63 - 1)


@WIDE
@given(seeds, positions)
def test_uniforms_depend_on_seed_and_position_alone(seed: int, at: list[int]) -> None:
    """In [0, 1), and the same in whatever order they are asked for."""
    forwards = [randomness.uniform(seed, position) for position in at]
    backwards = [randomness.uniform(seed, position) for position in reversed(at)]
    assert forwards == backwards[::-1]
    assert all(0 <= u < 1 for u in forwards)
    assert len(set(forwards)) == len(at)


@WIDE
@given(seeds, st.integers(0, 2**62))
def test_streams_are_unrelated(seed: int, position: int) -> None:
    """The same seed and position give other numbers for weights than for samples or batches."""
    streams = (randomness.WEIGHTS, randomness.BATCHES, randomness.SAMPLES, randomness.PLAYLETS)
    numbers = {randomness.generator(seed, stream, position).random() for stream in streams}
    assert len(numbers) == len(streams)
