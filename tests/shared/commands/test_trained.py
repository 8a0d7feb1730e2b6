"""What a trained model is asked for besides texts: a table, a perplexity, itself as a GPT-2."""

import math
import re

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from shared.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from shared.commands.export import main
from shared.commands.sample import sample_main
from shared.config import GPTConfig
from shared.protocol import load_backend
from shared.text.tokenizers import build_tokenizer
from tests.command_line import TEXT, cells_of

QUESTION = "to be, or not to be: that is the question\n"
TOKENIZER = build_tokenizer("char", QUESTION)


def saved(path, **design) -> tuple[GPTConfig, dict[str, np.ndarray]]:
    config = GPTConfig(TOKENIZER.vocab_size, 8, 2, 2, 8, **design)
    weights = random_weights(Case("saved", config))
    save_checkpoint(path, config, weights, tokenizer=TOKENIZER)
    return config, weights


def test_the_table_is_printed_instead_of_a_text(capsys, trained) -> None:
    """test_shared_sampling.py in the suite checks its numbers."""
    options = ["--run", str(trained), "--prompt", "ROMEO:", "--seed", "3"]
    assert sample_main("numpy", [*options, "--top", "4"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    rows = cells_of(shown.out)
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert len(rows[0]) == 5, "nothing was asked for that changes the probabilities"
    p = [float(row[3]) for row in rows]
    assert p == sorted(p, reverse=True)
    rest = re.search(rf"the other {len(set(TEXT)) - 4} tokens together: (0\.\d{{4}})", shown.out)
    assert rest
    assert sum(p) + float(rest[1]) == pytest.approx(1, abs=5e-4)
    assert sample_main("numpy", [*options, "--max-new-tokens", "1"]) == 0
    written = capsys.readouterr().out.removeprefix("ROMEO:")[0]
    seen = {" ": "␣", "\n": "\\n", "\t": "\\t"}.get(written, written)
    assert f"written with --seed 3: {seen}, for u" in shown.out


def test_both_probabilities_are_shown_where_they_differ(capsys, trained) -> None:
    options = ["--run", str(trained), "--top", "5", "--top-k", "2", "--temperature", "0.5"]
    assert sample_main("numpy", options) == 0
    rows = cells_of(capsys.readouterr().out)
    p, drawn = ([float(row[column]) for row in rows] for column in (3, 4))
    assert drawn[0] + drawn[1] == pytest.approx(1, abs=2e-4)
    assert drawn[0] / drawn[1] == pytest.approx((p[0] / p[1]) ** 2, rel=0.01)
    assert [row[4] for row in rows[2:]] == ["0", "0", "0"]


def test_perplexity_is_exp_of_the_mean_loss(tmp_path, capsys) -> None:
    config, weights = saved(tmp_path / "model")
    (tmp_path / "text").write_text(QUESTION)
    options = ["--run", str(tmp_path / "model"), "--perplexity", str(tmp_path / "text")]
    assert sample_main("numpy", options) == 0
    model = load_backend("numpy").build(config, weights, dtype="float64")
    ids, losses = TOKENIZER.encode(QUESTION), []
    for start in range(0, len(ids) - 1, 8):
        window = ids[start : start + 8][: len(ids) - 1 - start]
        logits = model.logits(window[None])[0]
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        losses += [-math.log(p[i, ids[start + i + 1]]) for i in range(len(window))]
    expected = f"perplexity {math.exp(np.mean(losses)):.4f}: {np.mean(losses):.6f} nats per token"
    assert capsys.readouterr().out.startswith(f"{expected} over {len(QUESTION) - 1} tokens, ")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_an_export_is_the_same_function(tmp_path, position: str, bias: bool, tied: bool) -> None:
    config, weights = saved(tmp_path / "own", position=position, bias=bias, tie_weights=tied)
    assert main(["--run", str(tmp_path / "own"), "--to", str(tmp_path / "gpt2")]) == 0
    exported = load_checkpoint(tmp_path / "gpt2")
    assert (exported.config.position, exported.config.bias) == ("learned", True)
    assert exported.tokenizer.to_json() == TOKENIZER.to_json()
    backend, (tokens, _) = load_backend("numpy"), random_batch(config)
    both = (config, weights), (exported.config, exported.weights)
    before, after = (backend.build(*own, dtype="float64").logits(tokens) for own in both)
    np.testing.assert_allclose(after, before, rtol=1e-12)
