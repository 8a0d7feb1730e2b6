"""What the commands of shared/commands/ write, with the numpy backend."""

import itertools
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from conformance.cases import BASE, Case, random_batch, random_weights
from conformance.shared.checkpoints.samples import TOKENIZER
from conformance.shared.checkpoints.test_shared_checkpoints import ORIGINAL
from shared.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from shared.commands import export
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.config import GPTConfig
from shared.protocol import load_backend
from shared.runs.metrics import read_metrics
from shared.text.tokenizers import build_tokenizer

Captured = pytest.CaptureFixture[str]


def saved(path: Path, config: GPTConfig, scale: float = 1.0, tokenizer: Any = TOKENIZER) -> Any:
    """The weights of a new checkpoint, in float64."""
    weights = {n: scale * value for n, value in random_weights(Case("saved", config)).items()}
    save_checkpoint(path, config, weights, tokenizer=tokenizer)
    return weights


def test_training_speaks_on_standard_error_only(tmp_path: Path, capsys: Captured) -> None:
    text, run = tmp_path / "text", tmp_path / "run"
    text.write_text("to be, or not to be\n" * 20)
    words = "--block-size 8 --n-layer 1 --n-head 2 --n-embd 8 --steps 6 --learning-rate 0.1"
    words += f" --batch-size 2 --dataset {shlex.quote(str(text))} --out {shlex.quote(str(run))}"
    assert train_main("numpy", shlex.split(words)) == 0
    shown, last = capsys.readouterr(), read_metrics(run / "metrics.jsonl")[-1]
    losses = f"{last.val_loss:.4f} nats per token, {last.bits_per_byte:.4f} bits per byte"
    for part in (
        *(f"text file: {text}", "parameters: n_layer 1", "step 0/6  val ", "step 6/6  loss "),
        f"numpy on cpu in float32: 6 steps of 2 × 8 tokens to {run}",
        *(f"\nvalidation loss {losses}\n", f"python -m impls.numpy.sample --run {run}"),
        f"saved {run}/checkpoints/000006; curves in {run}/loss.png",
    ):
        assert part in shown.err
    assert not [word for word in ("\x1b", "before", "weights   ") if word in shown.err]
    assert (shown.out, max(map(len, shown.err.splitlines())) < 300) == ("", True)


def test_samples(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompt and text alone. Sample i is that of seed + i, even if the first seed is 0. All are
    computed in the type that is asked for, otherwise in the checkpoint's."""
    saved(tmp_path / "c", BASE)
    backend = load_backend("numpy")
    build = Mock(wraps=backend.build)
    monkeypatch.setattr(backend, "build", build)

    def samples(*options: str) -> list[str]:
        words = ["--run", str(tmp_path / "c"), "--prompt", "ÀÁ", "--max-new-tokens", "20", *options]
        assert sample_main("numpy", words) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out.split("---\n")

    each = [samples("--seed", seed)[0] for seed in "012"]
    assert samples("--seed", "0", "--num-samples", "3") == each
    assert len(set(each)) == 3
    assert {(text[:2], text[-1], len(text)) for text in each} == {("ÀÁ", "\n", 2 + 20 + 1)}
    samples("--dtype", "float32")
    assert [call.kwargs["dtype"] for call in build.mock_calls] == ["float64"] * 4 + ["float32"]


PERPLEXITIES = {
    "byte": "256.0000: 5.545177 nats per token over 49 tokens, 8.0000 bits per byte",
    "char": "2.0000: 0.693147 nats per token over 16 tokens, 0.3333 bits per byte",
}


@pytest.mark.parametrize(("kind", "shown"), PERPLEXITIES.items(), ids=PERPLEXITIES)
def test_perplexity(tmp_path: Path, capsys: Captured, kind: str, shown: str) -> None:
    """Of a model that knows nothing. The first token is not predicted, nor are its bytes."""
    text, tokenizer = "é" + "€" * 16, build_tokenizer(kind, "é€")
    (tmp_path / "text").write_text(text)
    saved(tmp_path / "c", GPTConfig(tokenizer.vocab_size, 8, 1, 1, 4), 0.0, tokenizer)
    words = ["--run", str(tmp_path / "c"), "--perplexity", str(tmp_path / "text")]
    assert sample_main("numpy", words) == 0
    assert capsys.readouterr().out == f"perplexity {shown}\n"


FIELDS = ("position", "bias", "tie_weights")
DESIGNS = list(itertools.product(("learned", "sinusoidal"), (False, True), (False, True)))


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_an_export_is_the_same_function(tmp_path: Path, design: tuple[Any, ...]) -> None:
    """Of a model with no other size or setting at its default."""
    changes = dict(zip(FIELDS, design, strict=True))
    config = replace(ORIGINAL, norm="pre", layer_norm_epsilon=0.1, **changes)
    weights = saved(tmp_path / "own", config)
    assert export.main(["--run", str(tmp_path / "own"), "--to", str(tmp_path / "gpt2")]) == 0
    exported = load_checkpoint(tmp_path / "gpt2")
    assert exported.config == replace(config, position="learned", bias=True)
    assert exported.tokenizer.to_json() == TOKENIZER.to_json()
    backend, (tokens, _) = load_backend("numpy"), random_batch(config)
    both = (config, weights), (exported.config, exported.weights)
    before, after = (backend.build(*own, dtype="float64").logits(tokens) for own in both)
    np.testing.assert_allclose(after, before, rtol=1e-12)
