"""GPT-2's files as on the hub, and the newest checkpoint of a run."""

import json
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers as library
from ml_dtypes import bfloat16  # NumPy lacks it; JAX depends on this package
from safetensors.numpy import load_file, save_file

from conformance.cases import BASE
from conformance.shared.checkpoints.samples import TOKENIZER, Tensors, draw, hub
from conformance.shared.checkpoints.test_shared_damage import BYTE, MODEL, ONE
from conformance.truths.by_definition import same_tensors
from shared.checkpoints import directories
from shared.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from shared.checkpoints.directories import checkpoint_path, clean_leftovers, newest_checkpoint
from shared.errors import CheckpointError
from shared.layout import init_weights
from shared.text.tokenizers import Tokenizer, build_tokenizer

TIED = replace(BASE, tie_weights=True)


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_gpt2_from_the_hub(tmp_path: Path, prefix: str) -> None:
    """Tied, tanh GELU, ε 1e-5 by default; masks and a second copy are dropped."""
    weights = draw(TIED)
    stored = {name.replace("transformer.", prefix): value for name, value in weights.items()}
    stored[f"{prefix}h.0.attn.bias"] = np.tril(np.ones((1, 1, 11, 11), bool))
    stored[f"{prefix}h.1.attn.bias"] = np.tril(np.ones((1, 1, 11, 11), np.float32))
    stored[f"{prefix}h.1.attn.masked_bias"] = np.array(-1e4, np.float32)
    metadata = {"format": "pt", "author": "me", "total_size": "1"} if prefix else None
    loaded = load_checkpoint(hub(tmp_path / "plain", TIED, stored, metadata))
    assert (loaded.config, loaded.dtype) == (TIED, "float32")
    assert (loaded.tokenizer, loaded.training, loaded.moments) == (None, None, None)
    same_tensors(loaded.weights, weights)
    deep, mask = replace(TIED, n_layer=12), stored[f"{prefix}h.1.attn.bias"]
    masked = draw(deep) | {f"{prefix}h.{i}.attn.bias": mask for i in range(12)}
    same_tensors(load_checkpoint(hub(tmp_path / "deep", deep, masked)).weights, draw(deep))
    double = {name: value.astype(np.float64) for name, value in weights.items()}
    same_tensors(load_checkpoint(hub(tmp_path / "double", TIED, double)).weights, double)
    twice = stored | {"lm_head.weight": weights["transformer.wte.weight"].copy()}
    same_tensors(load_checkpoint(hub(tmp_path / "twice", TIED, twice)).weights, weights)
    untied = stored | {"lm_head.weight": draw(BASE)["lm_head.weight"]}
    loaded = load_checkpoint(hub(tmp_path / "untied", TIED, untied, tie_word_embeddings=False))
    assert loaded.config == BASE
    same_tensors(loaded.weights, draw(BASE))
    spelled = {"gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh", "gelu": "gelu_erf"}
    for name, activation in spelled.items():
        loaded = load_checkpoint(hub(tmp_path / name, TIED, stored, activation_function=name))
        assert loaded.config.activation == activation
    file = tmp_path / "plain" / "tokenizer.json"
    file.write_text(TOKENIZER.to_json())
    assert load_checkpoint(tmp_path / "plain").tokenizer.to_json() == TOKENIZER.to_json()
    for text, message in ((BYTE.to_json(), "has 256 tokens, the model 37"), ("{}", "json: ")):
        file.write_text(text)
        with pytest.raises(CheckpointError, match=f"{file}: .*{message}"):
            load_checkpoint(tmp_path / "plain")
    mask = {f"{prefix}h.0.attn.bias": np.ones((1, 1, 9, 9), np.float32)}
    doubly = weights | {"wte.weight": weights["transformer.wte.weight"]}
    for message, tensors, changes in (
        ("lm_head.weight: expected the same values as wte", untied, {}),
        ("lm_head.weight is missing", stored, {"tie_word_embeddings": False}),
        ("tie_word_embeddings is 'no'; it must", stored, {"tie_word_embeddings": "no"}),
        (f"{prefix}wpe.weight is missing", {k: v for k, v in stored.items() if "wpe" not in k}, {}),
        ("c_fc.bias is missing", {n: v for n, v in stored.items() if "c_fc.bias" not in n}, {}),
        (f"'{prefix}score.w', F32 [1], is no part", stored | {f"{prefix}score.w": ONE}, {}),
        ("expected shape (1, 1, 11, 11), found (1, 1, 9, 9)", stored | mask, {}),
        ("'wte.weight' is there twice", doubly, {}),
        ("found I64", weights | {"transformer.wte.weight": np.ones((37, 24), np.int64)}, {}),
    ):
        with pytest.raises(CheckpointError, match=re.escape(message)):
            load_checkpoint(hub(tmp_path / message, TIED, tensors, **changes))


def in_several(path: Path, tensors: Tensors) -> Path:
    """Save in three files with an index, as on the hub."""
    hub(path, TIED, tensors)
    (path / MODEL).unlink()
    places = {}
    for i in range(3):
        name = f"model-{i + 1:05}-of-00003.safetensors"
        part = {key: tensors[key] for key in sorted(tensors)[i::3]}
        save_file(part, path / name)
        places |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return path


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("half", [np.float16, bfloat16])
def test_half_precision_is_widened(tmp_path: Path, half: type, several: bool) -> None:
    """float32 can represent every value of either type."""
    stored = {name: value.astype(half) for name, value in draw(TIED).items()}
    path = tmp_path / "half"
    loaded = load_checkpoint(in_several(path, stored) if several else hub(path, TIED, stored))
    assert (loaded.dtype, loaded.stored_as) == ("float32", half.__name__)
    same_tensors(loaded.weights, {name: x.astype(np.float32) for name, x in stored.items()})
    mixed = {name: x.astype(np.float32 if x.ndim == 1 else half) for name, x in stored.items()}
    same_tensors(load_checkpoint(hub(tmp_path / "mixed", TIED, mixed)).weights, loaded.weights)
    whole = load_checkpoint(hub(tmp_path / "whole", TIED, draw(TIED)))
    assert whole.stored_as == "float32"


def test_weights_in_several_files(tmp_path: Path) -> None:
    weights = draw(TIED)
    path = in_several(tmp_path / "several", weights)
    same_tensors(load_checkpoint(path).weights, weights)
    index, first = path / "model.safetensors.index.json", "model-00001-of-00003.safetensors"
    table = json.loads(index.read_text())
    for places, message in (
        *(
            ({"transformer.wte.weight": name}, f"names of files beside it, found {name!r}")
            for name in ("../secret", "/etc/passwd", "..", "", "a\0b", "\ud800", "a\n\x1b[2J")
        ),
        ({"transformer.wte.weight": "x" * 5000}, "found 'xxxxx"),
        ({"transformer.wte.weight": 3}, "expected the file of each tensor"),
        ({}, "1 to 1000 files"),
        (None, "expected the file of each tensor"),
        ({"transformer.wte.weight": first}, "is missing; expected F32"),
        (table["weight_map"] | {"x": "no.safetensors"}, "no.safetensors: this file is missing"),
    ):
        index.write_text(json.dumps(table | {"weight_map": places}))
        with pytest.raises(CheckpointError, match=re.escape(message)):
            load_checkpoint(path)
    index.write_text(json.dumps(table))
    shutil.copy(path / first, path / "model-00002-of-00003.safetensors")
    with pytest.raises(CheckpointError, match="is in another file, too"):
        load_checkpoint(path)


def test_a_snapshot_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    """Its files may be links to blobs of the same repository, and to nothing else."""
    stored = hub(tmp_path / "stored", TIED, draw(TIED))
    for folder, readable in (("blobs", True), ("elsewhere", False)):
        repository = tmp_path / f"models--{folder}"
        snapshot = repository / "snapshots" / "607a30d7"
        snapshot.mkdir(parents=True)
        shutil.copytree(stored, repository / folder)
        for path in stored.iterdir():
            (snapshot / path.name).symlink_to(f"../../{folder}/{path.name}")
        with nullcontext() if readable else pytest.raises(CheckpointError, match="link out of"):
            same_tensors(load_checkpoint(snapshot).weights, draw(TIED))


def test_the_tokenizers_and_the_end_of_a_text(tmp_path: Path) -> None:
    """GPT-2's own two files; more rows in the embedding than tokens; where a text ends."""
    path = hub(tmp_path / "gpt2", TIED, draw(TIED), eos_token_id=36)
    assert load_checkpoint(path).tokenizer is None
    (path / "tokenizer.json").write_text(build_tokenizer("char", "abc").to_json())
    for bos, eos, generation in (
        (None, {36}, {}),
        (2, {3, 36}, {"bos_token_id": 2, "eos_token_id": [3, 36, 37, "a"]}),
    ):
        (path / "generation_config.json").write_text(json.dumps(generation))
        tokenizer = load_checkpoint(path).tokenizer
        assert Tokenizer.load(path / "tokenizer.json").vocab_size == 3, "the two share something"
        save_checkpoint(tmp_path / "tuned", TIED, draw(TIED), tokenizer=tokenizer)
        for found in (tokenizer, load_checkpoint(tmp_path / "tuned").tokenizer):
            assert found is not None, "the second: as after fine-tuning"
            assert (found.vocab_size, found.decode([0, 36, 2])) == (37, "ac")
            assert (found.begin_of_text, found.end_of_text) == (bos, eos)
    (path / "tokenizer.json").unlink()
    bpe = build_tokenizer("bpe", "low lower ## ## ## ##", 259)
    large = replace(TIED, vocab_size=259)
    path = hub(tmp_path / "own", large, init_weights(large, 0))
    library.Tokenizer.from_str(bpe.to_json()).model.save(str(path))  # vocab.json and merges.txt
    tokenizer = load_checkpoint(path).tokenizer
    assert tokenizer is not None
    assert tokenizer.encode("##").tolist() == [256], "a merge that begins with #, as comments do"
    text = "the lowest ## <|endoftext|>\n"
    assert tokenizer.encode(text).tolist() == bpe.encode(text).tolist()
    assert tokenizer.decode(tokenizer.encode(text)) == text
    for name, content, message in (
        ("merges.txt", "#version: 0.2\nl o w", "merges.txt: line 2: 'l o w' is no pair"),
        ("merges.txt", "zz q", "merges.txt: line 1: 'zz q' is no pair"),
        ("vocab.json", "[]", "vocab.json: expected a JSON object"),
        ("vocab.json", '{"a": "x"}', "vocab.json: 'a': expected an id, found 'x'"),
        ("added_tokens.json", '{"\\ud800": 259}', "added_tokens.json: half a surrogate"),
        ("added_tokens.json", '{"x y": 260}', "added_tokens.json: 'x y' cannot have the id 260"),
        ("added_tokens.json", '{"x y": 259}', "vocab.json: the tokenizer has 260 tokens, the mod"),
        ("tokenizer_config.json", '{"add_prefix_space": true}', "tokenizer_config.json: add_pref"),
    ):
        broken = shutil.copytree(path, tmp_path / message)
        (broken / name).write_text(content)
        with pytest.raises(CheckpointError, match=re.escape(f"{broken}/{message}")):
            load_checkpoint(broken)
    (path / "merges.txt").unlink()
    with pytest.raises(CheckpointError, match=r"is missing; vocab\.json and merges\.txt need each"):
        load_checkpoint(path)


END = "<|endoftext|>"
ADDED = {"<user>": 258, "<bot>": 259, END: 260}
TWO = {"pad_token": {"content": "<bot>"}, "additional_special_tokens": ["<user>"]}
# What a file names, the first token of a text and the last, the special ones, and what is told.
SPECIAL: list[tuple[Any, ...]] = [
    ({}, [None, 260], [END], [None, END]),
    ({}, [259, 7], [END], [None, None]),
    (TWO, [258, [260, 259]], list(ADDED), ["<user>", "<bot>"]),
]


@pytest.mark.parametrize("file", ["special_tokens_map.json", "tokenizer_config.json"])
@pytest.mark.parametrize("case", SPECIAL)
def test_added_and_special_tokens(tmp_path: Path, file: str, case: tuple[Any, ...]) -> None:
    """Added tokens have the ids that their file says, in any order, and are special if one of two
    files says so; <|endoftext|> always is. All of this outlives saving, and is told to others."""
    large, (named, (first, last), special, told) = replace(TIED, vocab_size=261), case
    path = hub(tmp_path / "gpt2", large, draw(large), bos_token_id=first, eos_token_id=last)
    bpe = build_tokenizer("bpe", "low lower", 258)
    library.Tokenizer.from_str(bpe.to_json()).model.save(str(path))
    (path / "added_tokens.json").write_text(json.dumps(ADDED))
    (path / file).write_text(json.dumps(named))
    read = load_checkpoint(path).tokenizer
    save_checkpoint(tmp_path / "ours", large, draw(large), tokenizer=read)
    for tokenizer in (read, load_checkpoint(tmp_path / "ours").tokenizer):
        assert tokenizer.special_tokens == {ADDED[token]: token for token in special}
        assert [tokenizer.decode([i]) for i in ADDED.values()] == list(ADDED)
    table = json.loads((tmp_path / "ours" / "tokenizer_config.json").read_text())
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 11}
    assert table == kind | dict(zip(("bos_token", "eos_token"), told, strict=True))


def test_a_checkpoint_of_ours_that_another_program_saved(tmp_path: Path) -> None:
    """`save_pretrained` keeps the keys of config.json that it does not know, and no hashes."""
    save_checkpoint(tmp_path / "ours", TIED, draw(TIED), tokenizer=TOKENIZER)
    file = tmp_path / "ours" / MODEL
    save_file(load_file(file), file)
    loaded = load_checkpoint(tmp_path / "ours")
    assert loaded.config == TIED
    same_tensors(loaded.weights, draw(TIED))


# Which checkpoint


def test_the_newest_checkpoint(tmp_path: Path) -> None:
    """The highest step number whose checkpoint is complete; leftovers of a crash do not count."""
    assert checkpoint_path("runs/x", 500) == Path("runs/x/checkpoints/000500")
    assert checkpoint_path("runs/x", 12_345_678) == Path("runs/x/checkpoints/12345678")
    assert newest_checkpoint(tmp_path) is None
    old = tmp_path / directories.REPLACED / "checkpoints" / "000009"
    old.mkdir(parents=True)
    assert newest_checkpoint(tmp_path) == old, "an earlier run, until there is something new"
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    assert newest_checkpoint(tmp_path) == old
    for name in ("000002", "999999", "1000000", ".2000000.tmp-1-ab", "12", "latest"):
        (checkpoints / name).mkdir()
    (checkpoints / "2000000").write_text("a file")
    assert newest_checkpoint(tmp_path) == checkpoints / "1000000"
    (checkpoints / ".2000000.tmp-2-ab").symlink_to(checkpoints / "latest")
    aside = checkpoints / ".3000000.old-1-ab"
    aside.mkdir()
    assert newest_checkpoint(tmp_path) == aside, "a save broke off between its two renames"
    clean_leftovers(checkpoints)
    assert newest_checkpoint(tmp_path) == checkpoints / "3000000"
    hidden = [entry.name for entry in checkpoints.iterdir() if entry.name.startswith(".")]
    assert hidden == [".2000000.tmp-2-ab"], "a link is not ours"
    assert (checkpoints / "latest").is_dir()
    clean_leftovers(tmp_path / "nothing")


def test_gpt2_s_own_tokenizer_json(tmp_path: Path) -> None:
    """It is older than most: it does not name the type of its model, merges are strings, the token
    that ends a text is an added one, and there is a post-processor, which changes no ids."""
    bpe = build_tokenizer("bpe", "low lower lowest", 258)
    table = json.loads(bpe.to_json())
    model = table["model"]
    end = {"id": 258, "content": "<|endoftext|>", "special": True, "normalized": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False}
    table |= {
        "added_tokens": [end | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)],
        "pre_tokenizer": byte_level | {"add_prefix_space": False, "trim_offsets": True},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            **{"dropout": None, "unk_token": None, "fuse_unk": False},
            **{"continuing_subword_prefix": "", "end_of_word_suffix": ""},
            "vocab": model["vocab"] | {"<|endoftext|>": 258},
            "merges": [" ".join(pair) for pair in model["merges"]],
        },
    }
    large = replace(TIED, vocab_size=259)
    path = hub(tmp_path / "gpt2", large, init_weights(large, 0))
    (path / "tokenizer.json").write_text(json.dumps(table))
    tokenizer = load_checkpoint(path).tokenizer
    assert tokenizer is not None
    text = "the lowest <|endoftext|>"
    assert tokenizer.encode(text).tolist() == bpe.encode(text).tolist()
    assert tokenizer.decode([*bpe.encode("low"), 258]) == "low<|endoftext|>"
