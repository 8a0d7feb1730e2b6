"""The perplexity of a text, against its definition."""

import math
from pathlib import Path

import numpy as np
import pytest

from conformance.cases import Case, random_weights
from shared.checkpoints.checkpoint import save_checkpoint
from shared.commands.sample import sample_main
from shared.config import GPTConfig
from shared.protocol import load_backend
from shared.text.tokenizers import build_tokenizer

TEXT = "to be, or not to be: that is the question"  # without a newline, which the prompt is


def test_perplexity_is_exp_of_the_mean_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = build_tokenizer("char", TEXT)
    config = GPTConfig(tokenizer.vocab_size, 8, 1, 2, 8)
    weights = random_weights(Case("perplexity", config))
    save_checkpoint(tmp_path / "model", config, weights, tokenizer=tokenizer)
    text = tmp_path / "text"
    text.write_text(TEXT)
    options = ["--run", str(tmp_path / "model"), "--perplexity", str(text)]
    assert sample_main("numpy", options) == 0
    model = load_backend("numpy").build(config, weights, dtype="float64")
    ids, losses = tokenizer.encode(TEXT), []
    for start in range(0, len(ids) - 1, 8):
        window = ids[start : start + 8][: len(ids) - 1 - start]
        logits = model.logits(window[None])[0]
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        losses += [-math.log(p[i, ids[start + i + 1]]) for i in range(len(window))]
    expected = f"perplexity {math.exp(np.mean(losses)):.4f}: {np.mean(losses):.6f} nats per token"
    assert capsys.readouterr().out.startswith(f"{expected} over {len(TEXT) - 1} tokens, ")


@pytest.mark.parametrize(
    ("text", "message"), [("t", "has 1 token"), ("toX", "'X'"), ("", "is empty")]
)
def test_what_has_no_perplexity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    tokenizer = build_tokenizer("char", TEXT)
    config = GPTConfig(tokenizer.vocab_size, 8, 1, 2, 8)
    save_checkpoint(
        tmp_path / "model", config, random_weights(Case("p", config)), tokenizer=tokenizer
    )
    (tmp_path / "text").write_text(text)
    options = ["--run", str(tmp_path / "model"), "--perplexity", str(tmp_path / "text")]
    assert sample_main("numpy", options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
