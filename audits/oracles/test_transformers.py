"""Transformers open what we save, and we open what they save: ids, logits, texts."""

import json
import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, pipeline

from audits.oracles.hugging_face import HuggingFace
from audits.reliability.samples import CONFIG, HUB_CONFIG, hub_tensors
from conformance.cases import Case, random_batch, random_weights
from conformance.shared.checkpoints.samples import hub
from shared.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from shared.commands.export import main as export
from shared.config import GPTConfig, SampleConfig
from shared.protocol import Backend
from shared.runs.loop import evaluate
from shared.text.tokenizers import TOKENIZERS, build_tokenizer

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 3
PROMPT = "First"
BLOCK_SIZE = 16
DESIGNS = {
    "gpt2": {"tie_weights": True},
    "gelu_erf, untied": {"activation": "gelu_erf"},
    "relu": {"activation": "relu", "n_inner": 12},
    "no biases": {"bias": False},
    "sinusoidal": {"position": "sinusoidal", "bias": False},
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("design", DESIGNS)
def test_they_open_what_we_save(
    design: str, kind: str, backend: Backend, tmp_path: Path, recwarn, caplog, monkeypatch
) -> None:
    """The same ids, logits and greedy text, up to the end of the window; and back again."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)  # to caplog
    tokenizer = build_tokenizer(kind, TEXT, 270 if kind == "bpe" else None)
    config = GPTConfig(tokenizer.vocab_size, BLOCK_SIZE, 2, 2, 8, **DESIGNS[design])
    weights = random_weights(Case("saved", config))
    ours = backend.build(config, weights, dtype="float64")
    save_checkpoint(tmp_path / "ours", config, weights, tokenizer=tokenizer)
    assert export(["--run", str(tmp_path / "ours"), "--to", str(tmp_path / "gpt2")]) == 0

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "gpt2", dtype=torch.float64)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "gpt2")
    ids = tokenizer.encode(TEXT)
    assert theirs(TEXT)["input_ids"] == ids.tolist()
    assert len(theirs) == tokenizer.vocab_size
    tokens = ids[None, :BLOCK_SIZE]
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens)).logits.numpy()
    np.testing.assert_allclose(logits, ours.logits(tokens), rtol=1e-10, atol=1e-12)

    prompt = tokenizer.encode(PROMPT)
    greedy = SampleConfig(max_new_tokens=BLOCK_SIZE - len(prompt), temperature=0)
    text = tokenizer.decode([*prompt, *ours.generate(prompt, greedy)])
    caplog.clear()  # that the whole text is longer than the window is true
    writer = pipeline("text-generation", model=model, tokenizer=theirs)
    for length in ({"max_length": BLOCK_SIZE}, {"max_new_tokens": greedy.max_new_tokens}):
        generated = writer(PROMPT, do_sample=False, **length)
        assert generated[0]["generated_text"] == text
    asked = theirs(PROMPT, return_tensors="pt")
    (written,) = model.generate(**asked, do_sample=False, max_new_tokens=greedy.max_new_tokens)
    assert theirs.decode(written) == text
    assert not [*recwarn.list, *caplog.records]

    model.save_pretrained(tmp_path / "theirs")
    theirs.save_pretrained(tmp_path / "theirs")
    back = load_checkpoint(tmp_path / "theirs")
    assert back.tokenizer is not None
    assert back.tokenizer.encode(TEXT).tolist() == ids.tolist()
    again = backend.build(back.config, back.weights, dtype="float64")
    np.testing.assert_allclose(again.logits(tokens), ours.logits(tokens), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", ["10GB", "20KB"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh"])
def test_we_open_what_they_save(
    activation: str, dtype: torch.dtype, size: str, backend: Backend, tmp_path: Path
) -> None:
    """In every type, in one file and in several: the logits of their model of the same values."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "n_positions": 16, "n_embd": 24, "n_layer": 2, "n_head": 4}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    model = GPT2LMHeadModel(GPT2Config(activation_function=activation, **sizes, **ends))
    model = model.to(dtype).eval()
    model.save_pretrained(tmp_path / "gpt2", max_shard_size=size)
    assert (size == "10GB") == (tmp_path / "gpt2" / "model.safetensors").exists()
    checkpoint = load_checkpoint(tmp_path / "gpt2")
    assert checkpoint.stored_as == str(dtype).removeprefix("torch.")
    tokens = np.arange(16)[None] % 40
    with torch.no_grad():
        truth = model.double()(torch.from_numpy(tokens)).logits.numpy()
    ours = backend.build(checkpoint.config, checkpoint.weights, dtype="float64")
    np.testing.assert_allclose(ours.logits(tokens), truth, rtol=1e-10, atol=1e-12)


def test_we_open_what_is_on_the_hub(backend: Backend, tmp_path: Path) -> None:
    """Names without "transformer.", the mask as a tensor of every block, no lm_head: they find all
    of their tensors in it, and give the same logits."""
    tensors = {key: x for key, x in hub_tensors().items() if not key.endswith("masked_bias")}
    settings = HUB_CONFIG | {"bos_token_id": 0, "eos_token_id": 0}
    hub(tmp_path, CONFIG, tensors, {"format": "pt"}, **settings)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.config.tie_weights
    tokens = random_batch(checkpoint.config)[0]
    ours = backend.build(checkpoint.config, checkpoint.weights, dtype="float64")
    truth = HuggingFace(tmp_path).logits(tokens)
    np.testing.assert_allclose(ours.logits(tokens), truth, rtol=1e-10, atol=1e-12)


def test_a_text_ends_where_theirs_did(tmp_path: Path) -> None:
    """A GPT-2 in and a GPT-2 out: tokens of theirs end a text and are special as before."""
    bpe = json.loads(build_tokenizer("bpe", TEXT, 270).to_json())["model"]
    source, exported = tmp_path / "source", tmp_path / "exported"
    source.mkdir()
    (source / "vocab.json").write_text(json.dumps(bpe["vocab"] | {"<|endoftext|>": 270}))
    (source / "merges.txt").write_text("\n".join(map(" ".join, bpe["merges"])))
    (source / "added_tokens.json").write_text('{"[PAD]": 272, "<speaker>": 271}')
    settings = {"tokenizer_class": "GPT2Tokenizer", "pad_token": "[PAD]"}
    (source / "tokenizer_config.json").write_text(json.dumps(settings))
    sizes = {"vocab_size": 273, "n_positions": 16, "n_embd": 24, "n_layer": 2, "n_head": 4}
    ends = {"bos_token_id": 270, "eos_token_id": 270}
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(initializer_range=0.5, **sizes, **ends)).eval()
    prompt = AutoTokenizer.from_pretrained(source)("<speaker> First", return_tensors="pt")
    greedy = {"do_sample": False, "max_new_tokens": 8, "pad_token_id": 272}
    (whole,) = model.generate(**prompt, **greedy)
    model.generation_config.eos_token_id = [270, int(whole[-4])]
    model.save_pretrained(source)
    assert export(["--run", str(source), "--to", str(exported)]) == 0
    found = []
    for path in (source, exported):
        again = AutoModelForCausalLM.from_pretrained(path)
        reader = AutoTokenizer.from_pretrained(path)
        (written,) = again.generate(**reader("<speaker> First", return_tensors="pt"), **greedy)
        assert len(written) < len(whole)
        assert (reader.bos_token_id, reader.eos_token_id) == (270, 270)
        found.append(reader.decode([272, *written, 270], skip_special_tokens=True))
    assert found[0] == found[1]
    loaded = load_checkpoint(exported)
    assert loaded.tokenizer is not None
    assert loaded.tokenizer.encode("<speaker> First").tolist() == prompt["input_ids"][0].tolist()


def test_perplexity(backend: Backend, tmp_path: Path) -> None:
    """Of a text in windows side by side, in float32: theirs within 1e-6 of the loss. (The losses of
    190 tokens, each within a few units in the last place of 4, are averaged.)"""
    tokenizer = build_tokenizer("char", TEXT)
    config = GPTConfig(tokenizer.vocab_size, BLOCK_SIZE, 2, 2, 8)
    save_checkpoint(tmp_path, config, random_weights(Case("saved", config)), tokenizer=tokenizer)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = torch.from_numpy(tokenizer.encode(TEXT))
    starts = range(0, len(ids) - 1, BLOCK_SIZE)
    windows = [ids[start : start + BLOCK_SIZE + 1] for start in starts]
    summed = partial(functional.cross_entropy, reduction="sum")
    with torch.no_grad():
        losses = [summed(model(w[None, :-1]).logits[0], w[1:]) for w in windows]
    theirs = float(sum(losses)) / (len(ids) - 1)
    ours = backend.build(config, load_checkpoint(tmp_path).weights)
    assert evaluate(ours, ids.numpy(), 1) == pytest.approx(theirs, abs=1e-6)
