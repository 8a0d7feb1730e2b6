"""GPT-2 checkpoints of other origin: laid out as on the hub, or saved by transformers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import GPT2Config, GPT2LMHeadModel

from audits.oracles import hugging_face
from audits.oracles.hugging_face import SOURCE
from audits.oracles.verdict import Verdict
from conformance.cases import BASE, Case, random_batch, random_weights
from shared.checkpoints.checkpoint import load_checkpoint
from shared.protocol import Backend

CASE = Case("hub", replace(BASE, n_inner=None, tie_weights=True))

# The keys of the file that GPT-2 was published with; those of the sizes are ours, and so is what
# the text begins and ends with, which is outside so small a vocabulary.
HUB_CONFIG = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "bos_token_id": 36,
    "embd_pdrop": 0.1,
    "eos_token_id": 36,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 11,
    "n_embd": 24,
    "n_head": 4,
    "n_layer": 2,
    "n_positions": 11,
    "resid_pdrop": 0.1,
    "summary_activation": None,
    "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True,
    "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 37,
}


def write_as_on_the_hub(directory: Path) -> None:
    """Float32, names without "transformer.", the mask as a tensor of every block, no lm_head."""
    weights = random_weights(CASE)
    tensors = {
        name.removeprefix("transformer."): value.astype(np.float32)
        for name, value in weights.items()
    }
    n = CASE.config.block_size
    mask = np.tril(np.ones((1, 1, n, n), dtype=np.float32))
    tensors |= {f"h.{i}.attn.bias": mask for i in range(CASE.config.n_layer)}
    directory.mkdir()
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "config.json").write_text(json.dumps(HUB_CONFIG, indent=2))
    (directory / "README.md").write_text("# GPT-2\n")


def write_by_transformers(directory: Path, tied: bool) -> None:
    """Their model with its own initial weights, enlarged so that they matter."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config.from_dict(HUB_CONFIG | {"tie_word_embeddings": tied}))
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
    theirs = hugging_face.load(directory)
    ours = backend.build(checkpoint.config, checkpoint.weights, dtype="float64")
    tokens, targets = random_batch(checkpoint.config)
    truth = hugging_face.logits(theirs, tokens)
    verdict.agrees("logits of their checkpoints", ours.logits(tokens), truth, SOURCE)
    _, grads = ours.loss_and_grads(tokens, targets)
    _, true_grads = hugging_face.loss_and_grads(theirs, tokens, targets)
    verdict.all_agree("gradients of their checkpoints", grads, true_grads, SOURCE)
