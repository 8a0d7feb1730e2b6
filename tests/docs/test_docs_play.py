"""The interactive figures of the site: their numbers, and their elements on a page. docs/browser/
tests in a browser that the scripts show these numbers."""

import base64
import json
import re

import numpy as np
import pytest

from docs import data
from docs.data import Product
from docs.extensions import live as box
from docs.producers import attention, live, trained, typed
from shared.checkpoints.checkpoint import Checkpoint
from shared.config import GPTConfig, SampleConfig
from shared.errors import RunError, UserError
from shared.layout import init_weights
from shared.protocol import load_backend
from shared.text.tokenizers import Tokenizer, build_tokenizer
from tests.command_line import SMALL, TEXT
from tests.docs.conftest import Site

BACKENDS = ("numpy", "torch")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> tuple[Checkpoint, Tokenizer]:
    """A small untrained model in place of the trained one, all in this process. Without JAX, which
    compiles for seconds; the browser tests cover all three backends."""
    written = "".join((*attention.SENTENCES, typed.PROMPT))
    tokenizer = build_tokenizer("char", written)
    config = GPTConfig(tokenizer.vocab_size, block_size=32, n_layer=2, n_head=2, n_embd=8)
    found = Checkpoint(config, init_weights(config, 1), "float32", tokenizer, None, None)
    monkeypatch.setattr(trained, "trained", lambda: (found, tokenizer))
    monkeypatch.setattr(attention, "SENTENCES", attention.SENTENCES[:1])
    for module in (attention, typed):
        monkeypatch.setattr(module, "BACKENDS", BACKENDS)
        monkeypatch.setattr(module, "run_alone", lambda function, *args: function(*args))
    return found, tokenizer


def test_the_model_is_trained_once_and_again_if_it_is_gone(tmp_path, monkeypatch, capsys) -> None:
    """A few steps of a tiny model in this process."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(trained, "OPTIONS", ("--dataset", str(tmp_path / "text.txt"), *SMALL))
    monkeypatch.setattr(data, "DIRECTORY", tmp_path)
    monkeypatch.setattr(trained, "RUN", tmp_path / "trained")
    monkeypatch.setattr(trained, "run_alone", lambda function, *args: function(*args))
    checkpoint, tokenizer = trained.trained()
    assert checkpoint.training.step == 6
    assert tokenizer.vocab_size == checkpoint.config.vocab_size
    assert "6 steps of 2 × 8 tokens" in capsys.readouterr().err
    assert trained.trained()[0].training == checkpoint.training
    assert not capsys.readouterr().err
    (tmp_path / "trained").rename(tmp_path / "elsewhere")
    monkeypatch.setattr(trained, "OPTIONS", ("--preset", "no such"))
    with pytest.raises(RunError, match="trained could not be measured: its training did not"):
        trained.trained()


def test_the_explorer_shows_the_weights_of_every_backend(model) -> None:
    found = json.loads(json.dumps(attention.measure(), allow_nan=False))
    (checkpoint, tokenizer), (sentence,), (shown,) = model, attention.SENTENCES, found["sentences"]
    assert "".join(shown["tokens"]) == sentence.replace(" ", "␣")
    assert tuple(shown["weights"]) == BACKENDS
    for backend, layers in shown["weights"].items():
        built = load_backend(backend).build(checkpoint.config, checkpoint.weights, dtype="float64")
        trace = built.trace(tokenizer.encode(sentence)[None])
        for i, layer in enumerate(layers):
            for head, own in zip(layer, trace[f"h.{i}.attn.weights"][0], strict=True):
                for t, row in enumerate(head):
                    np.testing.assert_allclose(row, own[t, : t + 1], rtol=5e-5)
                assert t == len(sentence) - 1
    largest = [entry["largest"] for layer in shown["apart"] for entry in layer]
    assert 0 < max(largest) < found["limit"] == 7e-12


def test_differences_are_exact_and_say_who() -> None:
    numpy = np.random.default_rng(0).random((1, 2, 3, 3))
    maps = {"numpy": numpy, "torch": numpy.copy(), "jax": numpy.copy()}
    maps["torch"][0, 0, 2, 1] += 1e-9
    maps["jax"][0, 0, 0, 0] -= 1e-12
    (row,) = attention.apart(maps)
    assert row[0]["pair"] == ("numpy", "torch")
    assert row[0]["largest"] == abs(maps["torch"] - numpy)[0, 0].max()
    assert row[1]["largest"] == 0


def test_the_typed_text_is_what_generate_gives(model, monkeypatch) -> None:
    sampling = SampleConfig(max_new_tokens=40, temperature=0.7, seed=5)
    monkeypatch.setattr(typed, "SAMPLING", sampling)
    monkeypatch.setattr(typed, "REPEATS", 1)
    found = json.loads(json.dumps(typed.measure(), allow_nan=False))
    checkpoint, tokenizer = model
    built = load_backend("numpy").build(checkpoint.config, checkpoint.weights)
    tokens = list(built.generate(tokenizer.encode(typed.PROMPT), sampling))
    assert tuple(found["backends"]) == BACKENDS
    for backend in found["backends"].values():
        assert backend["text"] == tokenizer.decode(tokens)
        assert len(backend["at"]) == len(backend["text"]) == 40
        assert backend["at"] == sorted(backend["at"])
        assert backend["tokens_per_second"] == pytest.approx(40 / backend["at"][-1], rel=1e-4)
    slowest = max(backend["at"][-1] for backend in found["backends"].values())
    assert found["slowed"] * slowest == pytest.approx(typed.SECONDS, rel=0.06)


def test_the_page_has_the_weights_and_the_tokens_of_the_model(model) -> None:
    found = json.loads(json.dumps(live.measure(), allow_nan=False))
    checkpoint, tokenizer = model
    assert GPTConfig(**found["config"]) == checkpoint.config
    ids = tokenizer.encode("".join(found["vocabulary"])).tolist()
    assert ids == list(range(tokenizer.vocab_size))
    assert list(found["weights"]) == list(checkpoint.weights)
    for name, tensor in found["weights"].items():
        values = np.frombuffer(base64.b64decode(tensor["base64"]), "<f4").reshape(tensor["shape"])
        np.testing.assert_array_equal(values, checkpoint.weights[name])


def test_a_box_and_the_scripts_that_it_needs(site: Site, monkeypatch) -> None:
    site.figure = Product({"weights": {}})
    monkeypatch.setattr(box, "read", lambda producer: site.figure)
    assert site.build("```{live} box\n```", strict=True) == []
    names = re.findall(r"_static/(gpt|model|play|live|box)\.js", str(site.page()))
    assert names == ["gpt", "model", "play", "live", "box"]
    script = (site.out / "_static" / "model.js").read_text(encoding="utf-8")
    written = json.loads(script.removeprefix("window.trained = ").rstrip(";\n"))
    assert written == {"weights": {}, "bugs": box.bugs()}
    assert written["bugs"]["swap_qk"]["story"].startswith("the fused projection read in the order")
    site.figure = None
    assert "not measured: live" in site.build("```{live} box\n```")[0]
    script = (site.out / "_static" / "model.js").read_text(encoding="utf-8")
    assert script == "window.trained = null;\n"


@pytest.mark.parametrize(
    ("name", "old", "error"),
    [
        ("swap_qk", "not there", "bugs.toml, swap_qk: 'not there' stands 0 times in gpt.js"),
        ("swap_qk", "const", "bugs.toml, swap_qk: 'const' stands 2 times in gpt.js"),
        ("no_such_bug", "let", "no_such_bug"),
    ],
)
def test_a_bug_that_cannot_be_planted(tmp_path, monkeypatch, name, old, error) -> None:
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "gpt.js").write_text("const a = 1; const b = 2; let c = 3;")
    (tmp_path / "bugs.toml").write_text(f'[{name}]\nbegins = ""\nedit = ["{old}", "x"]\n')
    monkeypatch.setattr(box, "DOCS", tmp_path)
    with pytest.raises(UserError, match=re.escape(error)):
        box.bugs()


def test_a_plaything_has_its_script_and_its_numbers_on_its_page(site: Site) -> None:
    site.figure = Product({"a": "</script>"})
    assert site.build("```{play} attention\n```", strict=True) == []
    page = site.page()
    assert page.select_one('.play[data-play="attention"] noscript').text.strip()
    assert json.loads(page.find(id="data-attention").string) == {"a": "</script>"}
    (script,) = [tag for tag in page.find_all("script") if "attention.js" in tag.get("src", "")]
    assert (site.out / script["src"].split("?")[0]).is_file()
