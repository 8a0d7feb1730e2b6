"""The table of the next token: its probabilities are those that sampling draws from."""

import importlib
import re
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.reference import draw
from shared.backend import BACKENDS
from shared.cli import sample_main
from shared.config import SampleConfig
from shared.next_tokens import distribution, entropy, next_tokens, show_token
from shared.tokenizers import build_tokenizer
from tests.command_line import TEXT, error_of
from tests.drawn import fill

SAMPLINGS = [
    SampleConfig(1),
    SampleConfig(1, temperature=0.0),
    SampleConfig(1, temperature=0.4),
    SampleConfig(1, temperature=3.0),
    SampleConfig(1, top_k=3),
    SampleConfig(1, top_p=0.6),
    SampleConfig(1, temperature=1.7, top_k=9, top_p=0.8),
]
LOGITS = np.random.default_rng(5).normal(0, 2, 37)


def as_array(room: str, logits: np.ndarray) -> Any:
    match room:
        case "torch":
            return importlib.import_module("torch").from_numpy(logits)
        case "jax":
            return importlib.import_module("jax.numpy").asarray(logits)
    return logits


@pytest.mark.parametrize("config", SAMPLINGS)
@pytest.mark.parametrize("room", BACKENDS)
def test_every_interval_is_where_a_room_draws_that_token(room: str, config: SampleConfig) -> None:
    """Just inside both its ends: so no interval can be wider or narrower, or lie elsewhere."""
    importlib.import_module(f"impls.{room}.model")  # which switches float64 on in JAX
    sample_token = importlib.import_module(f"impls.{room}.generate").sample_token
    logits = as_array(room, LOGITS)
    edges = np.concatenate([[0.0], np.cumsum(distribution(LOGITS, config))])
    assert edges[-1] == pytest.approx(1, abs=1e-12)
    wide = [token for token in range(37) if edges[token + 1] - edges[token] > 1e-6]
    assert len(wide) >= (1 if config.temperature == 0 else 3)
    for token in wide:
        for u in (edges[token] + 1e-9, edges[token + 1] - 1e-9):
            assert sample_token(logits, u, config) == token
            assert draw(LOGITS, u, config) == token


@pytest.mark.parametrize("length", [5, BASE.block_size + 3])
@pytest.mark.parametrize("room", BACKENDS)
def test_the_token_named_is_the_one_written(room: str, length: int) -> None:
    """Also where the prompt is longer than the window."""
    it = fill(replace(BASE, n_layer=1), seed=2, batch_size=1, length=length)
    model = it.model(room=room)
    for seed, config in product(range(3), SAMPLINGS):
        seeded = replace(config, seed=seed)
        found = next_tokens(model, it.tokens[0], seeded)
        assert [found.token] == list(model.generate(it.tokens[0], seeded))
        low, high = found.interval()
        assert low - 1e-12 <= found.u < high + 1e-12


def test_frequencies_are_the_probabilities() -> None:
    it = fill(replace(BASE, n_layer=1), seed=2, batch_size=1, length=5)
    model, config, count = it.model(), SampleConfig(1, temperature=0.7, top_k=5), 600
    seeds = (replace(config, seed=seed) for seed in range(count))
    drawn = [next(iter(model.generate(it.tokens[0], seeded))) for seeded in seeds]
    p = next_tokens(model, it.tokens[0], config).drawn_from
    apart = np.abs(np.bincount(drawn, minlength=len(p)) / count - p)
    assert (apart <= 4 * np.sqrt(p * (1 - p) / count)).all()  # and where p is 0, none


def test_what_is_cut_off_has_no_probability() -> None:
    p = distribution(LOGITS, SampleConfig())
    np.testing.assert_allclose(p, np.exp(LOGITS) / np.exp(LOGITS).sum(), rtol=1e-12)
    best = np.argsort(-LOGITS)
    k = distribution(LOGITS, SampleConfig(top_k=3))
    np.testing.assert_allclose(k[best[:3]], p[best[:3]] / p[best[:3]].sum(), rtol=1e-12)
    assert not k[best[3:]].any()
    few = np.searchsorted(np.cumsum(p[best]), 0.6) + 1  # the fewest that reach 0.6
    top_p = distribution(LOGITS, SampleConfig(top_p=0.6))
    assert np.count_nonzero(top_p) == few > 1
    assert top_p.sum() == pytest.approx(1, abs=1e-12)


def test_the_limits_of_temperature() -> None:
    cold = distribution(LOGITS, SampleConfig(temperature=0))
    assert cold.tolist() == [float(token == LOGITS.argmax()) for token in range(37)]
    assert distribution(LOGITS, SampleConfig(temperature=1e-100)).tolist() == cold.tolist()
    np.testing.assert_allclose(distribution(LOGITS, SampleConfig(temperature=1e9)), 1 / 37, 1e-7)
    assert distribution(np.zeros(4), SampleConfig(temperature=0)).tolist() == [1, 0, 0, 0]
    assert distribution(np.zeros(4), SampleConfig(top_k=2)).tolist() == [0.5, 0.5, 0, 0]


def test_entropy_is_in_bits() -> None:
    assert entropy(np.array([0.0, 1.0, 0.0])) == 0
    assert entropy(np.array([0.5, 0.25, 0.25])) == pytest.approx(1.5)
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(3)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("char", "a\n\t b\x1b\u202eé", ["a", "\\n", "\\t", "␣", "b", "\\x1b", "\\u202e", "é"]),
        ("byte", "aé ", ["a", "\\xc3", "\\xa9", "␣"]),
        ("word", "to be", ["to", "␣", "be"]),
    ],
)
def test_tokens_can_be_seen(kind: str, text: str, shown: list[str]) -> None:
    tokenizer = build_tokenizer(kind, text)
    assert [show_token(tokenizer, token) for token in tokenizer.encode(text)] == shown


# The command


def table(out: str) -> list[list[str]]:
    """The cells of its rows, without the bars."""
    lines = [line.split("│")[1:-2] for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_table_is_printed_instead_of_a_text(capsys, trained, backend) -> None:
    options = ["--run", str(trained), "--prompt", "ROMEO:", "--seed", "3"]
    assert sample_main(backend, [*options, "--top", "4"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [row[0] for row in table(shown.out)] == ["1", "2", "3", "4"]
    assert len(table(shown.out)[0]) == 4, "nothing was asked for that changes the probabilities"
    p = [float(row[3]) for row in table(shown.out)]
    assert p == sorted(p, reverse=True)
    rest = re.search(rf"the other {len(set(TEXT)) - 4} tokens together: (0\.\d{{4}})", shown.out)
    assert rest
    assert sum(p) + float(rest[1]) == pytest.approx(1, abs=5e-4)
    assert sample_main(backend, [*options, "--max-new-tokens", "1"]) == 0
    written = capsys.readouterr().out.removeprefix("ROMEO:")[0]
    seen = {" ": "␣", "\n": "\\n", "\t": "\\t"}.get(written, written)
    assert f"written with --seed 3: {seen}, for u" in shown.out


def test_both_probabilities_are_shown_where_they_differ(capsys, trained) -> None:
    options = ["--run", str(trained), "--top", "5", "--top-k", "2", "--temperature", "0.5"]
    assert sample_main("numpy", options) == 0
    rows = table(capsys.readouterr().out)
    p, drawn = ([float(row[column]) for row in rows] for column in (3, 4))
    assert drawn[0] + drawn[1] == pytest.approx(1, abs=2e-4)
    assert drawn[0] / drawn[1] == pytest.approx((p[0] / p[1]) ** 2, rel=0.01)
    assert [row[4] for row in rows[2:]] == ["0", "0", "0"]


def test_there_are_no_more_rows_than_tokens(capsys, trained) -> None:
    options = ["--run", str(trained), "--top", "1000", "--temperature", "0"]
    assert sample_main("numpy", options) == 0
    out = capsys.readouterr().out
    assert len(table(out)) == len(set(TEXT))
    assert "the other" not in out
    assert "written at temperature 0: " in out
    assert "entropy: 0.00 bits" in out


@pytest.mark.parametrize(("top", "message"), [("0", "top is 0"), ("-3", "top is -3"), ("x", "x")])
def test_rows_that_cannot_be(capsys, trained, top, message) -> None:
    status = sample_main("numpy", ["--run", str(trained), f"--top={top}"])
    assert message in error_of(capsys, status)
