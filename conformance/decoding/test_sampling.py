"""Drawing a token from chosen logits: ties, extremes, and edges of the CDF. A model whose last
LayerNorm has gain 0 returns lm_head times ln_f's bias for every input. With the first unit vector
as bias that is the first column of lm_head, exactly, in any precision."""

import math
from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import Case, random_weights
from conformance.decoding.test_decoding import differing
from conformance.subject import Subject
from conformance.truths.reference import draw
from shared.config import GPTConfig, SampleConfig
from shared.errors import InputError
from shared.protocol import Model
from shared.randomness import uniform

V = 32
CONFIG = GPTConfig(vocab_size=V, block_size=4, n_layer=1, n_head=1, n_embd=2, n_inner=2)

pytestmark = [
    pytest.mark.cases("gpt2"),  # only for its precisions
    pytest.mark.needs("generate"),
    pytest.mark.fills("sampling"),
]

NEVER = -1e5
"""A logit with probability 0 at every temperature in the settings except the highest."""

LOGITS = {
    "all equal": [0.0] * V,  # 1/32 each, exactly: so half of them reach exactly 1/2
    "ties": [1.0, 2.0, 2.0, 1.0, 2.0, 0.0] * 5 + [2.0, 1.0],
    "nearly ties": [1.0 + 1e-9 * (i % 7) for i in range(V)],  # in float32 they are ties
    "falling": [3.0 - i for i in range(6)] + [NEVER] * 26,
    "rising": [NEVER] * 26 + [i - 2.0 for i in range(6)],
    "one sure": [0.0, 0.0, 200.0, *[0.0] * 29],
    "very large": [3e4, 3e4 - 2, 0.0, -3e4, 3e4 - 1, 3e4, *[NEVER] * 26],
}
SETTINGS = [
    {},
    *({"temperature": 0.0} | more for more in ({}, {"top_k": 3}, {"top_p": 0.5})),
    *({"temperature": temperature} for temperature in (1e-100, 1e-30, 1e6)),
    *({"top_k": k} for k in (1, 2, V, 2**62)),
    *({"top_p": p} for p in (1.0, 1e-12, 0.5, 1 / 16)),
    {"top_k": 4, "top_p": 0.6, "temperature": 2.0},
]
SEEDS = (0, 1, 2, 2**32, 2**63 - 1)


def model_of(subject: Subject, logits: list[float], block_size: int = 4) -> Model:
    """A model that returns these logits for any text."""
    config = replace(CONFIG, vocab_size=len(logits), block_size=block_size)
    weights = random_weights(Case("", config))
    weights["transformer.ln_f.weight"] = np.zeros(2)
    weights["transformer.ln_f.bias"] = np.array([1.0, 0.0])
    weights["lm_head.weight"] = np.stack([np.array(logits), np.ones(len(logits))], axis=1)
    return subject.backend.build(config, weights, dtype=subject.dtype)


@pytest.mark.parametrize("name", LOGITS)
def test_draws(subject: Subject, name: str) -> None:
    """Six tokens, beyond the window's end, for every setting and several seeds, are those that the
    definition in conformance/truths/reference.py draws."""
    model = model_of(subject, LOGITS[name])
    logits = np.array(LOGITS[name]).astype(subject.dtype).astype(np.float64)
    for options in SETTINGS:
        for seed in SEEDS[:3] if options.get("temperature") == 0 else SEEDS:
            config = SampleConfig(max_new_tokens=6, seed=seed, **options)
            found = list(map(int, model.generate(np.array([0, 5]), config)))
            drawn = [draw(logits, uniform(seed, n), config) for n in range(2, 8)]
            message = f"{name}, {options}, seed {seed}: tokens {found}, by definition {drawn}"
            subject.holds("sampling", differing(found, drawn), message)


@pytest.mark.dtypes("float64")
def test_draws_from_many_tokens_after_a_long_prompt(subject: Subject) -> None:
    """5,000 tokens with ties, and a window of 1,100: nothing has another limit than the model's."""
    logits = [float(i % 7) for i in range(5_000)]
    model = model_of(subject, logits, block_size=1_100)
    for options in ({"top_k": 5_000}, {"top_k": 300}, {"top_p": 0.7}, {"top_k": 2**62}):
        config = SampleConfig(max_new_tokens=2, seed=3, **options)
        found = list(map(int, model.generate(np.zeros(1_050, dtype=np.int64), config)))
        drawn = [draw(np.array(logits), uniform(3, n), config) for n in (1_050, 1_051)]
        subject.holds("sampling", differing(found, drawn), f"{options}: {found}, not {drawn}")


@pytest.mark.parametrize("gap", [1e-9, -1e-9])
def test_draws_are_in_float64(subject: Subject, gap: float) -> None:
    """The edge between two tokens is a billionth from the uniform number: float32, with 24 bits,
    cannot tell on which side the number falls. (The logits, near 0, are precise enough.)"""
    seed = next(seed for seed in range(10_000) if abs(uniform(seed, 1) - 0.5) < 1e-3)
    edge = uniform(seed, 1) + gap
    logits = [math.log(edge / (1 - edge)), 0.0, *[NEVER] * (V - 2)]
    config = SampleConfig(max_new_tokens=1, seed=seed)
    (found,) = model_of(subject, logits).generate(np.array([0]), config)
    error = float(int(found) != (0 if gap > 0 else 1))
    subject.holds("sampling", error, "the token is not the one that float64 draws")


@pytest.mark.dtypes("float64")
@pytest.mark.parametrize("place", [0, 3, 4, 9, 12])
@pytest.mark.parametrize("bad", [-1, V, 2**40])
def test_a_bad_id_anywhere_in_a_prompt(subject: Subject, place: int, bad: int) -> None:
    """It is refused even in the part of a long prompt that no forward pass would see."""
    prompt = np.zeros(13, dtype=np.int64)
    prompt[place] = bad
    with pytest.raises(InputError):
        list(model_of(subject, [0.0] * V).generate(prompt, SampleConfig(max_new_tokens=1)))
