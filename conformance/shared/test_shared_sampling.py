"""The next token, computed by hand: shared/commands/next_tokens.py."""

from types import SimpleNamespace

import numpy as np
import pytest

from conformance.truths.by_definition import SAMPLES, philox
from shared.commands.next_tokens import distribution, entropy, next_tokens, show_token
from shared.config import SampleConfig
from shared.text.tokenizers import build_tokenizer

# Probabilities 1/8, 1/2, 1/8, 1/4: ids 0 and 2 are equally likely, so 0 goes before 2.
LOGITS = np.log([1, 4, 1, 2]) + 700.0
DISTRIBUTIONS = [
    ({}, [1 / 8, 4 / 8, 1 / 8, 2 / 8]),
    ({"temperature": 0.0}, [0, 1, 0, 0]),
    ({"temperature": 0.5}, [1 / 22, 16 / 22, 1 / 22, 4 / 22]),  # squares
    ({"temperature": 1e-100}, [0, 1, 0, 0]),
    ({"top_k": 1}, [0, 1, 0, 0]),
    ({"top_k": 3}, [1 / 7, 4 / 7, 0, 2 / 7]),
    ({"top_k": 9}, [1 / 8, 4 / 8, 1 / 8, 2 / 8]),
    ({"top_p": 0.49}, [0, 1, 0, 0]),
    ({"top_p": 0.51}, [0, 4 / 6, 0, 2 / 6]),
    ({"top_p": 0.76}, [1 / 7, 4 / 7, 0, 2 / 7]),
    ({"top_p": 1.0}, [1 / 8, 4 / 8, 1 / 8, 2 / 8]),
    ({"top_k": 2, "top_p": 0.6}, [0, 1, 0, 0]),  # 4/6 of the two that are left
    ({"temperature": 0.5, "top_p": 0.9}, [0, 16 / 20, 0, 4 / 20]),
]


@pytest.mark.parametrize(("sampling", "expected"), DISTRIBUTIONS, ids=str)
def test_distribution(sampling: dict[str, float], expected: list[float]) -> None:
    """Temperature, then the k most likely, then the fewest that reach p."""
    for dtype in ("float64", "float32"):
        found = distribution(LOGITS.astype(dtype), SampleConfig(**sampling))
        assert found.dtype == np.float64
        assert found.tolist() == pytest.approx(expected, rel=1e-12 if dtype == "float64" else 1e-3)


def test_distribution_of_equals() -> None:
    """The lower id ranks as more likely, even among too many for an unstable sort to keep order."""
    assert distribution(np.zeros(99), SampleConfig(temperature=0.0)).tolist() == [1] + [0] * 98
    often = distribution(np.tile([0.0, 9.0], 99), SampleConfig(top_k=132))  # 99 odd ids, 33 even
    assert np.flatnonzero(often[::2]).tolist() == list(range(33))
    assert distribution(np.zeros(4), SampleConfig(top_p=0.75)).tolist() == [1 / 3] * 3 + [0]


@pytest.mark.parametrize("length", [1, 3, 4, 5])
def test_next_tokens(length: int) -> None:
    """The model sees the last three tokens; u belongs to the position after the prompt."""
    seen = []

    def logits(tokens: np.ndarray) -> np.ndarray:
        seen.append(tokens.tolist())
        return np.stack([np.zeros(4)] * (tokens.shape[1] - 1) + [LOGITS])[None]

    model = SimpleNamespace(config=SimpleNamespace(block_size=3), logits=logits)
    ids = np.arange(length)
    for seed in range(30):
        found = next_tokens(model, ids, SampleConfig(seed=seed, top_k=3))
        u = philox(seed, SAMPLES, length, 1)[0]
        token = 0 if u < 1 / 7 else 1 if u < 5 / 7 else 3
        edges = {0: (0, 1 / 7), 1: (1 / 7, 5 / 7), 3: (5 / 7, 1)}
        assert (found.u, found.token) == (u, token)
        assert found.interval() == pytest.approx(edges[token], rel=1e-12)
        assert found.p.tolist() == pytest.approx([1 / 8, 4 / 8, 1 / 8, 2 / 8], rel=1e-12)
    assert seen[-1] == [ids[-3:].tolist()]


def test_an_interval_has_its_lower_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not its upper one: u = ½ falls on the second of two halves, u = 0 on the first."""
    config = SimpleNamespace(block_size=3)
    model = SimpleNamespace(config=config, logits=lambda tokens: np.zeros((1, 1, 2)))
    for u, token in ((0.5, 1), (0.0, 0)):
        monkeypatch.setattr("shared.commands.next_tokens.uniform", lambda *_, u=u: u)
        assert next_tokens(model, np.array([0]), SampleConfig()).token == token


def test_entropy_is_in_bits_and_tokens_are_seen() -> None:
    for p, bits in (([0.0, 1.0], 0), ([0.5, 0.25, 0.25], 1.5), ([1 / 8] * 8, 3)):
        assert entropy(np.array(p)) == bits
    assert str(entropy(np.array([1.0]))) == "0.0"
    for kind, text, shown in (
        ("char", "a\n\t \x1b\u202eé", ["a", "\\n", "\\t", "␣", "\\x1b", "\\u202e", "é"]),
        ("word", "to be", ["to", "␣", "be"]),
        ("byte", "é", ["\\xc3", "\\xa9"]),
    ):
        tokenizer = build_tokenizer(kind, text)
        assert [show_token(tokenizer, token) for token in tokenizer.encode(text)] == shown
