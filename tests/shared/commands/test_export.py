"""The command that makes a GPT-2 of a model: the same function, in a directory of its own."""

from pathlib import Path

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from shared.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from shared.commands.export import main
from shared.config import GPTConfig
from shared.protocol import load_backend
from shared.text.tokenizers import build_tokenizer

TOKENIZER = build_tokenizer("char", "to be, or not")


def saved(path: Path, **design: object) -> tuple[GPTConfig, dict[str, np.ndarray]]:
    config = GPTConfig(TOKENIZER.vocab_size, 8, 2, 2, 8, **design)
    weights = random_weights(Case("exported", config))
    save_checkpoint(path, config, weights, tokenizer=TOKENIZER)
    return config, weights


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_what_is_exported_is_the_same_function(
    tmp_path: Path, position: str, bias: bool, tied: bool
) -> None:
    config, weights = saved(tmp_path / "own", position=position, bias=bias, tie_weights=tied)
    assert main(["--run", str(tmp_path / "own"), "--to", str(tmp_path / "gpt2")]) == 0
    exported = load_checkpoint(tmp_path / "gpt2")
    assert (exported.config.position, exported.config.bias) == ("learned", True)
    assert exported.tokenizer.to_json() == TOKENIZER.to_json()
    backend, (tokens, _) = load_backend("numpy"), random_batch(config)
    before, after = (
        backend.build(c, w, dtype="float64").logits(tokens)
        for c, w in ((config, weights), (exported.config, exported.weights))
    )
    np.testing.assert_allclose(after, before, rtol=1e-12)
