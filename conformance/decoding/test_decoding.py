"""Decoding with a cache: the same text as with full forwards, and in all backends."""

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import LONG, LONGER, Case, random_batch
from conformance.judge import Judge
from conformance.subject import Models, Subject
from conformance.truths.reference import continue_text, full_logits
from shared.config import SampleConfig
from shared.protocol import Model

pytestmark = pytest.mark.needs("generate")

# With prompts of one token, of the window's length, longer, and much longer.
CONFIGS = {
    "greedy": (1, SampleConfig(temperature=0.0)),
    "plain": (3, SampleConfig(temperature=1.0, seed=2)),
    "nearly greedy": (2, SampleConfig(temperature=1e-30, seed=2)),
    "top-k": (11, SampleConfig(temperature=1.3, top_k=5, seed=3)),
    "top-p": (29, SampleConfig(temperature=1.5, top_p=0.9, seed=4)),
    "top-k and top-p": (10, SampleConfig(temperature=2.0, top_k=9, top_p=0.7, seed=5)),
}


def differing(a: list[int], b: list[int]) -> float:
    """The number of tokens that differ."""
    return float(sum(x != y for x, y in zip(a, b, strict=True)))


def same_text(judge: Judge, texts: dict[str, list[int]], what: str = "greedy") -> None:
    """Check that all backends wrote the tokens of the first."""
    first = next(iter(texts))
    for name, text in texts.items():
        error = differing(text, texts[first])
        judge.holds("same text", name, error, f"{what}: tokens unlike {first}'s")


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.fills("cached decoding", "same text")
def test_text(models: Models, case: Case, judge: Judge, name: str) -> None:
    """Two windows of text: equal to full forwards, and to the other backends."""
    length, config = CONFIGS[name]
    config = replace(config, max_new_tokens=2 * case.config.block_size)
    tokens = np.concatenate(random_batch(case.config, seed=7)[0])
    prompt = tokens[:length].copy()
    texts = judge.each(models, lambda model: list(map(int, model.generate(prompt, config))))
    np.testing.assert_array_equal(prompt, tokens[: len(prompt)], "the prompt was changed")
    for key, model in models.items():
        assert len(texts[key]) == config.max_new_tokens, key
        error = differing(texts[key], continue_text(model, prompt, config))
        judge.holds("cached decoding", key, error, f"{name}: tokens unlike the full forward's")
    same_text(judge, texts, name)


@pytest.mark.cases("gpt2", "nanogpt", "original", "erf", "post-erf", LONG.name, LONGER.name)
@pytest.mark.parametrize("end", [60, -5])  # of the prompt: JAX's caches hold 64, 256, … tokens
@pytest.mark.needs("decode")
@pytest.mark.fills("decoded logits", "cached decoding")
def test_logits_of_every_token(
    models: Models, truthful: Models, case: Case, judge: Judge, end: int
) -> None:
    """The logits behind each token, inside the window and past it, equal those of a full forward
    pass over the same tokens, also in float32, and agree among all backends."""
    prompt = random_batch(case.config, seed=7)[0][0, :end]
    config = SampleConfig(temperature=0.0, max_new_tokens=9)
    decoded = judge.each(models, lambda model: list(model.decode(prompt, config)))
    texts = {name: [token for token, _ in pairs] for name, pairs in decoded.items()}
    for name, model in models.items():
        error = differing(texts[name], list(map(int, model.generate(prompt, config))))
        judge.holds("cached decoding", name, error, "decode and generate give different tokens")
    text = next(iter(texts.values()))
    whole = [*prompt.tolist(), *text]

    def full(model: Model) -> np.ndarray:
        return np.stack([full_logits(model, whole[:n]) for n in range(len(prompt), len(whole))])

    found = {name: np.stack([logits for _, logits in pairs]) for name, pairs in decoded.items()}
    if not truthful:  # float64: each backend's own full forwards
        for name, model in models.items():
            expected = full(model)
            error = float(np.abs(found[name] - expected).max() / np.abs(expected).max())
            message = "the cache gives other logits than a full forward"
            judge.holds("decoded logits", name, error, message)
    truths = {name: full(model) for name, model in truthful.items()}
    judge.agree("decoded logits", found, "logits while decoding", truths)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("cached decoding")
def test_text_continues_itself(subject: Subject) -> None:
    """The token at position n depends on the seed, n and the text before it, not on where the
    prompt ends: restarted from its middle, the text continues identically, even across the edge of
    the window."""
    model, prompt = subject.model, random_batch(subject.case.config, seed=8)[0][0, :5]
    config = SampleConfig(temperature=1.5, max_new_tokens=16, seed=6)
    text = list(model.generate(prompt, config))
    for middle in (3, 9):
        longer = np.concatenate([prompt, np.array(text[:middle])])
        rest = list(model.generate(longer, replace(config, max_new_tokens=16 - middle)))
        error = differing(text[middle:], rest)
        subject.holds("cached decoding", error, f"continued after {middle} tokens")
    other = list(model.generate(prompt, replace(config, seed=7)))
    assert other != text, "the seed must matter"


@pytest.mark.cases("gpt2")
@pytest.mark.fills("cached decoding")
def test_text_comes_token_by_token(model: Model, batch: tuple) -> None:
    """`generate` yields each token immediately, and nothing if no tokens are requested."""
    prompt = batch[0][0, :2]
    endless, three, none = (
        model.generate(prompt, SampleConfig(max_new_tokens=count)) for count in (10**9, 3, 0)
    )
    assert [next(endless) for _ in range(3)] == list(three)
    assert list(none) == []
