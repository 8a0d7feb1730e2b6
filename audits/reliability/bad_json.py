"""Malformed JSON: odd values, bombs, and tokenizer parts that our tokenizers do not use."""

import contextlib
import json
from collections.abc import Callable
from random import Random
from types import ModuleType
from typing import Any

from tokenizers import decoders, normalizers, pre_tokenizers, processors

ODD_VALUES: list[Any] = [
    *(0, 1, -1, 2**31, 2**32, 2**63, 2**64, 1e308, 0.5, None, True, False, "", "gpt2", "\ud800"),
    *([], {}, [[[]]], "x" * 999, "\x1b[2J\n", "../..", {"type": "Lowercase"}, "0" * 64, "null"),
    *("{}", "[]", '{"config.json": 7}', '{"../../etc/passwd": "0"}', '{"a":' * 1000),
]


def edit_json(data: bytes, rng: Random) -> bytes:
    table = json.loads(data)
    edit(table, rng)
    return json.dumps(table).encode()


def edit(table: Any, rng: Random) -> None:
    """Change one value at any depth, move it, or remove it."""
    holder, key = draw_place(table, rng)
    other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match rng.choice(["remove", "rename", "copy", "exchange", "add", "set", "set", "set"]):
        case "remove":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            names = [f"{key}x", f"{key} ", f"{key}\0", "", "ab", "<unk>", "\n\n"]
            holder[rng.choice(names)] = holder.pop(key)
        case "copy":
            holder[key] = holder[other]
        case "exchange":
            holder[key], holder[other] = holder[other], holder[key]
        case "add" if isinstance(holder[key], int):
            holder[key] += rng.choice([-4, -1, 1, 4, 2**62])
        case _:
            holder[key] = rng.choice(ODD_VALUES)


def draw_place(table: Any, rng: Random) -> tuple[Any, Any]:
    """An object or array at any depth, and a key or an index in it."""
    while True:
        key = rng.choice(list(table) if isinstance(table, dict) else range(len(table)))
        if not isinstance(table[key], dict | list) or not table[key] or rng.random() < 0.3:
            return table, key
        table = table[key]


def many(rng: Random) -> int:
    """Up to half a million."""
    return 1 << rng.randint(4, 18)


BOMBS: tuple[Callable[[Random], bytes], ...] = (
    lambda rng: b"[" * many(rng),
    lambda rng: b'{"a":' * (many(rng) // 4),
    lambda rng: b"[" * (n := rng.randint(50, 50_000)) + b"]" * n,
    lambda rng: b"[" + b"0," * many(rng) + b"0]",
    lambda rng: b"[" + b"{}," * many(rng) + b"{}]",
    lambda rng: b"{" + b",".join(b'"%d":%d' % (i, i) for i in range(many(rng) // 16)) + b"}",
    lambda rng: b"9" * many(rng),
    lambda rng: b"-" + b"9" * rng.randint(18, 25),
    lambda rng: b"0." + b"3" * many(rng),
    lambda rng: b"%d" % (rng.choice([1, -1]) * 2 ** rng.choice([31, 32, 63, 64, 99])),
    lambda rng: rng.choice([b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999"]),
    lambda rng: b'{"a":1,"a":2}',
    lambda rng: rng.choice([rb'"\ud800"', rb'"\udfff\ud800"', rb'"\u0000"', b'"\x00"', rb'"\x"']),
    lambda rng: b'"%s"' % (rng.choice([b"a", b"\xc3\xa9", rb"\u0041", rb"\\"]) * (many(rng) // 8)),
    lambda rng: b"\xff" + rng.randbytes(rng.randint(0, 9)),
    lambda rng: b" " * many(rng),
    lambda rng: rng.choice(b"nul undefined //_1 /**/_1 'a' 01 +1 1,".split()),
)
"""JSON that breaks readers: deeply nested, with duplicate keys, or invalid. Each replaces one value
of a file, or the whole file."""
WRAPPINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"\xef\xbb\xbf" + data,  # a byte order mark
    lambda data: data.decode().encode("utf-16"),
    lambda data: data + b"\0",
    lambda data: data + data,
    lambda data: b"[" + data + b"]",
    lambda data: b'{"a":1,"a":2,' + data.lstrip()[1:],
    lambda data: data.rstrip()[:-1] + b"," + data.lstrip()[1:],  # every key twice
)


def bomb_json(data: bytes, rng: Random) -> bytes:
    """Replace a value or the whole by a bomb, or wrap the whole in one."""
    die, bomb = rng.random(), rng.choice(BOMBS)(rng)
    if die < 0.2:
        return rng.choice(WRAPPINGS)(data)
    if die < 0.3:
        return bomb
    table = json.loads(data)
    holder, key = draw_place(table, rng)
    holder[key] = mark = "\ue000bomb\ue000"
    return json.dumps(table, ensure_ascii=False).encode().replace(f'"{mark}"'.encode(), bomb)


# Tokenizers


def components(module: ModuleType) -> list[Any]:
    """The default parts of a module of the library, as in tokenizer.json."""
    made = []
    for kind in vars(module).values():
        with contextlib.suppress(TypeError):  # no class, or one that needs arguments
            made.append(json.loads(kind().__getstate__()))
    return made


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CLS = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
CLS_IDS = {"[CLS]": {"id": "[CLS]", "ids": [10**6], "tokens": ["[CLS]"]}}
CUT = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
FILL = {"direction": "Right", "pad_id": 7, "pad_type_id": 0, "pad_token": "[PAD]"}
BEHAVIORS = ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
SPLIT_FLAGS = ("invert", "add_prefix_space", "use_regex", "trim_offsets")
MODEL_FLAGS = ("fuse_unk", "byte_fallback", "ignore_merges")
OTHER_PARTS: dict[str, list[Any]] = {
    "version": ["2.0", "", None, 1],
    "truncation": [CUT, CUT | {"max_length": 0, "stride": 5}],
    "padding": [FILL | {"strategy": {"Fixed": 10**6}}, FILL | {"strategy": "BatchLongest"}],
    "normalizer": [
        *components(normalizers),
        {"type": "Replace", "pattern": {"Regex": "(a*)*b"}, "content": ""},
        {"type": "Sequence", "normalizers": []},
    ],
    "pre_tokenizer": [
        *(None, BYTES, BYTES | {"use_regex": False}, *components(pre_tokenizers)),
        {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, BYTES]},
    ],
    "pre_tokenizer.behavior": [*BEHAVIORS, "Odd"],
    "pre_tokenizer.pattern": [{"String": "a"}, *({"Regex": x} for x in ("(", "(a*)*b", ""))],
    **{f"pre_tokenizer.{flag}": [True, False] for flag in SPLIT_FLAGS},
    "post_processor": [
        *components(processors),
        {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
        {"type": "TemplateProcessing", "single": [CLS], "pair": [], "special_tokens": CLS_IDS},
    ],
    "decoder": [None, *components(decoders)],
    "model.type": ["Unigram", "WordPiece", "BPE", "WordLevel", "Odd"],
    "model.unk_token": [None, "", "a", "absent", "<unk>"],
    "model.dropout": [0.5, 1.0, 0.0, 7.0, -1.0],
    "model.continuing_subword_prefix": ["##", ""],
    "model.end_of_word_suffix": ["</w>", ""],
    "model.merges": [["a b"], ["a"], [["a"]], ["a b c"], {}, *([["a", "b"]] * n for n in (1, 999))],
    **{f"model.{flag}": [True] for flag in MODEL_FLAGS},
}
"""Other values for parts of a tokenizer.json that the library may accept."""
