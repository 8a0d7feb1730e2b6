"""Decoding with a cache: the same text as with full forwards, and in all backends."""

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import LONG, Case, random_batch
from conformance.judge import Judge
from conformance.truths.reference import continue_text, full_logits
from shared.config import SampleConfig
from shared.protocol import Model

pytestmark = pytest.mark.needs("generate")

CONFIGS = {
    "greedy": SampleConfig(temperature=0.0),
    "plain": SampleConfig(temperature=1.0, seed=2),
    "nearly greedy": SampleConfig(temperature=1e-30, seed=2),
    "top-k": SampleConfig(temperature=1.3, top_k=5, seed=3),
    "top-p": SampleConfig(temperature=1.5, top_p=0.9, seed=4),
    "top-k and top-p": SampleConfig(temperature=2.0, top_k=9, top_p=0.7, seed=5),
}
# A prompt of one token, one that just fits the window, one that is longer, and much longer.
PROMPT_LENGTHS = {
    "greedy": 1,
    "plain": 3,
    "nearly greedy": 2,
    "top-k": 11,
    "top-p": 29,
    "top-k and top-p": 10,
}


def differing(a: list[int], b: list[int]) -> float:
    """The number of tokens that differ."""
    return float(sum(x != y for x, y in zip(a, b, strict=True)))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.fills("cached decoding", "same text")
def test_text(models: dict[str, Model], case: Case, judge: Judge, name: str) -> None:
    """Two windows of text: equal to full forwards, and to the other backends."""
    config = replace(CONFIGS[name], max_new_tokens=2 * case.config.block_size)
    tokens = np.concatenate(random_batch(case.config, seed=7)[0])
    prompt = tokens[: PROMPT_LENGTHS[name]].copy()
    texts = judge.each(models, lambda model: list(map(int, model.generate(prompt, config))))
    np.testing.assert_array_equal(prompt, tokens[: len(prompt)], "the prompt was changed")
    for key, model in models.items():
        assert len(texts[key]) == config.max_new_tokens, key
        error = differing(texts[key], continue_text(model, prompt, config))
        judge.holds("cached decoding", key, error, f"{name}: tokens unlike the full forward's")
    first, *others = texts
    for key in others:
        error = differing(texts[first], texts[key])
        judge.holds("same text", key, error, f"{name}: tokens unlike {first}'s")
    judge.holds("same text", first, 0.0, "")


@pytest.mark.cases("gpt2", "nanogpt", "original", "erf", "post-erf", LONG.name)
@pytest.mark.needs("decode")
@pytest.mark.fills("decoded logits", "cached decoding")
def test_logits_of_every_token(
    models: dict[str, Model], truthful: dict[str, Model], case: Case, judge: Judge
) -> None:
    """The logits behind each token, inside the window and past it, equal those of a full forward
    over the same tokens, also in float32, and those of all backends."""
    size = case.config.block_size
    prompt = random_batch(case.config, seed=7)[0][0, : size - 5]
    config = SampleConfig(temperature=0.0, max_new_tokens=9)
    decoded = judge.each(models, lambda model: list(model.decode(prompt, config)))
    texts = {name: [token for token, _ in pairs] for name, pairs in decoded.items()}
    for name, model in models.items():
        error = differing(texts[name], list(map(int, model.generate(prompt, config))))
        judge.holds("cached decoding", name, error, "decode and generate give different tokens")
    text = next(iter(texts.values()))
    whole = [*prompt.tolist(), *text]
    ends = range(len(prompt), len(whole))
    truths = {
        n: np.stack([full_logits(m, whole[:end]) for end in ends]) for n, m in truthful.items()
    }
    if not truthful:  # float64: each backend's own full forwards
        for name, model in models.items():
            full = np.stack([full_logits(model, whole[:end]) for end in ends])
            found = np.stack([logits for _, logits in decoded[name]])
            error = float(np.abs(found - full).max() / np.abs(full).max())
            message = "the cache gives other logits than a full forward"
            judge.holds("decoded logits", name, error, message)
    found = {name: np.stack([logits for _, logits in pairs]) for name, pairs in decoded.items()}
    judge.agree("decoded logits", found, "logits while decoding", truths)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("cached decoding")
def test_text_continues_itself(model: Model, backend_name: str, case: Case, judge: Judge) -> None:
    """The token at position n depends on the seed, n and the text before it, not on the end of the
    prompt: restarted from its middle, the text continues the same, also across the edge of
    the window."""
    prompt = random_batch(case.config, seed=8)[0][0, :5]
    config = SampleConfig(temperature=1.5, max_new_tokens=16, seed=6)
    text = list(model.generate(prompt, config))
    for middle in (3, 9):
        longer = np.concatenate([prompt, np.array(text[:middle])])
        rest = list(model.generate(longer, replace(config, max_new_tokens=16 - middle)))
        error = differing(text[middle:], rest)
        judge.holds("cached decoding", backend_name, error, f"continued after {middle} tokens")
    other = list(model.generate(prompt, replace(config, seed=7)))
    assert other != text, "the seed must matter"


@pytest.mark.cases("gpt2")
@pytest.mark.fills("cached decoding")
def test_text_comes_token_by_token(model: Model, case: Case) -> None:
    """`generate` yields each token at once, and nothing for a text of no tokens."""
    prompt = random_batch(case.config)[0][0, :2]
    endless = model.generate(prompt, SampleConfig(max_new_tokens=10**9))
    assert [next(endless) for _ in range(3)] == list(
        model.generate(prompt, SampleConfig(max_new_tokens=3))
    )
    assert list(model.generate(prompt, SampleConfig(max_new_tokens=0))) == []
