"""lessons.gpt2: a GPT-2 from a directory or the hub, in all backends."""

import hashlib
import json
import re
from unittest.mock import Mock

import huggingface_hub
import pytest

from conformance.shared.checkpoints.samples import hub
from lessons.gpt2 import __main__ as gpt2
from shared.config import GPTConfig
from shared.layout import init_weights
from shared.text.tokenizers import build_tokenizer

CONFIG = GPTConfig(256, block_size=16, n_layer=2, n_head=2, n_embd=8, tie_weights=True)


@pytest.fixture
def directory(tmp_path):
    """A GPT-2 as the hub has them."""
    hub(tmp_path, CONFIG, init_weights(CONFIG, seed=3))
    build_tokenizer("byte", "").save(tmp_path / "tokenizer.json")
    return tmp_path


def test_all_backends_write_the_same_text(directory, capsys):
    assert gpt2.main(["--run", str(directory), "--prompt", "Hi", "--max-new-tokens", "20"]) == 0
    out = capsys.readouterr().out
    total = sum(array.size for array in init_weights(CONFIG, seed=3).values())
    assert f"{total:,} parameters, in 2 blocks" in out
    assert out.count("\nHi") == 1
    assert "--- numpy, torch, jax\nHi" in out
    for row in ("load and build", "first token", "tokens per second", "peak memory"):
        assert row in out


@pytest.mark.parametrize("ended", [False, True])
def test_a_text_stops_at_its_end(directory, capsys, ended):
    """Where nothing is written, no time is measured: by an end at once, or by --max-new-tokens."""
    if ended:
        file = directory / "config.json"
        config = json.loads(file.read_text())
        file.write_text(json.dumps(config | {"eos_token_id": list(range(CONFIG.vocab_size))}))
    options = ["--prompt", "Hi", "--max-new-tokens", "20" if ended else "0", "--backends", "numpy"]
    assert gpt2.main(["--run", str(directory), *options]) == 0
    out = capsys.readouterr().out
    assert out.endswith("--- numpy\nHi\n")
    assert re.search("first token .* – .*\n.*tokens per second .* – ", out)


def test_without_a_network_the_weights_are_random(monkeypatch, capsys):
    download = Mock(side_effect=OSError("no network\nand more"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(gpt2, "SHAPE", CONFIG)
    assert gpt2.main(["--prompt", "Hi", "--max-new-tokens", "3", "--backends", "numpy"]) == 0
    out, err = capsys.readouterr()
    assert "cannot be downloaded: no network\nnote: random weights" in err
    assert "--- numpy\nHi … then the tokens [" in out
    assert download.call_args.args == (gpt2.HUB,)
    assert download.call_args.kwargs["revision"] == gpt2.REVISION


def test_a_download_is_used_if_it_is_gpt2(directory, monkeypatch, capsys):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", Mock(return_value=directory))
    options = ["--prompt", "Hi", "--max-new-tokens", "3", "--backends", "numpy"]
    assert gpt2.main(options) == 2
    assert f"error: {directory / 'model.safetensors'}: expected sha256" in capsys.readouterr().err
    digest = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    monkeypatch.setattr(gpt2, "SHA256", digest)
    assert gpt2.main(options) == 0
    assert "--- numpy\nHi" in capsys.readouterr().out
