"""GPT-2 checkpoints of other origin: laid out as on the hub, or saved by transformers."""

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from audits.oracles.hugging_face import HuggingFace
from audits.oracles.verdict import Verdict
from audits.reliability.samples import HUB_CONFIG, hub_tensors, write_hub
from conformance.cases import random_batch
from shared.checkpoints.checkpoint import load_checkpoint
from shared.protocol import Backend

# What a text begins and ends with is outside so small a vocabulary.
TOKENS = {"bos_token_id": 0, "eos_token_id": 0}


def write_as_on_the_hub(directory: Path) -> None:
    """Float32, names without "transformer.", the mask as a tensor of every block, no lm_head."""
    tensors = {key: x for key, x in hub_tensors().items() if not key.endswith("masked_bias")}
    write_hub(directory, tensors, {"format": "pt"}, **TOKENS)
    (directory / "README.md").write_text("# GPT-2\n")


def write_by_transformers(directory: Path, tied: bool) -> None:
    """Their model with its own initial weights, enlarged so that they matter."""
    torch.manual_seed(0)
    config = HUB_CONFIG | TOKENS | {"tie_word_embeddings": tied}
    model = GPT2LMHeadModel(GPT2Config.from_dict(config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model.save_pretrained(directory)


WRITERS = {
    "as on the hub": write_as_on_the_hub,
    "transformers, tied": lambda directory: write_by_transformers(directory, tied=True),
    "transformers, untied": lambda directory: write_by_transformers(directory, tied=False),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_checkpoint_gives_their_logits(
    writer: str, backend: Backend, verdict: Verdict, tmp_path: Path
) -> None:
    """Loaded by us and by them: the same weights, the same logits, the same gradients."""
    directory = tmp_path / "gpt2"
    WRITERS[writer](directory)
    checkpoint = load_checkpoint(directory)
    assert checkpoint.dtype == "float32"
    assert checkpoint.config.tie_weights == (writer != "transformers, untied")
    theirs = HuggingFace(directory)
    ours = backend.build(checkpoint.config, checkpoint.weights, dtype="float64")
    tokens, targets = random_batch(checkpoint.config)
    truth = theirs.logits(tokens)
    verdict.agrees("logits of their checkpoints", ours.logits(tokens), truth, theirs.source)
    _, grads = ours.loss_and_grads(tokens, targets)
    _, true_grads = theirs.loss_and_grads(tokens, targets)
    verdict.all_agree("gradients of their checkpoints", grads, true_grads, theirs.source)
