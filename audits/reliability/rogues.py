"""A tokenizer.json that is well-formed, but of another structure than ours: a grammar of those.

A reader that accepts such a file must be able to use it, and lose nothing of a text.
"""

import json
from random import Random
from typing import Any

TOKEN = {
    "id": 0,
    "content": "<x>",
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": True,
}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "pair": [],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [10**6], "tokens": ["[CLS]"]}},
}
PADDING = {
    "strategy": {"Fixed": 10**6},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 7,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}
TRUNCATION = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}

PARTS: dict[str, list[Any]] = {
    "version": ["2.0", "", None, 1],
    "truncation": [TRUNCATION, TRUNCATION | {"max_length": 0, "stride": 5}],
    "padding": [PADDING, PADDING | {"strategy": "BatchLongest"}],
    "normalizer": [
        *({"type": kind} for kind in ("Lowercase", "NFKC", "StripAccents", "Nmt")),
        {"type": "Replace", "pattern": {"Regex": "(a*)*b"}, "content": ""},
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Sequence", "normalizers": []},
    ],
    "pre_tokenizer": [
        None,
        BYTE_LEVEL,
        BYTE_LEVEL | {"add_prefix_space": True},
        BYTE_LEVEL | {"use_regex": False},
        {"type": "Whitespace"},
        {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, BYTE_LEVEL]},
    ],
    "post_processor": [
        BYTE_LEVEL,
        TEMPLATE,
        {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
    ],
    "decoder": [
        None,
        BYTE_LEVEL,
        {"type": "Fuse"},
        {"type": "WordPiece", "prefix": "", "cleanup": True},
    ],
}
"""Other values for the parts of a tokenizer.json."""

INSIDE: dict[str, dict[str, list[Any]]] = {
    "pre_tokenizer": {
        "behavior": ["Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous", "Odd"],
        "invert": [True],
        "pattern": [{"String": "a"}, {"Regex": "("}, {"Regex": "(a*)*b"}, {"Regex": ""}],
        "add_prefix_space": [True],
        "use_regex": [True, False],
        "trim_offsets": [True, False],
    },
    "model": {
        "type": ["Unigram", "WordPiece", "BPE", "WordLevel", "Odd"],
        "unk_token": [None, "", "a", "absent", "<unk>"],
        "dropout": [0.5, 1.0, 0.0, 7.0, -1.0],
        "continuing_subword_prefix": ["##", ""],
        "end_of_word_suffix": ["</w>", ""],
        "fuse_unk": [True],
        "byte_fallback": [True],
        "ignore_merges": [True],
        "merges": [[["a", "b"]], ["a b"], ["a"], [["a"]], ["a b c"], [["a", "a"]] * 999, {}],
    },
}
"""Other values for the fields of two of the parts."""


def rogue(content: bytes, rng: Random) -> bytes:
    """`content`, a tokenizer.json, with one to three liberties taken."""
    table = json.loads(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.randrange(4)
        if kind == 0:
            part = rng.choice(list(PARTS))
            table[part] = rng.choice(PARTS[part])
        elif kind == 1:
            part = rng.choice(list(INSIDE))
            field = rng.choice(list(INSIDE[part]))
            if isinstance(table.get(part), dict):
                table[part][field] = rng.choice(INSIDE[part][field])
        elif kind == 2:
            table["added_tokens"] = added_tokens(table, rng)
        else:
            vocabulary_changed(table["model"].get("vocab"), rng)
    return json.dumps(table).encode()


def added_tokens(table: dict[str, Any], rng: Random) -> list[Any]:
    """Tokens that take the place of others, leave gaps, or swallow the spaces beside them."""
    vocabulary = table["model"].get("vocab")
    size = len(vocabulary) if isinstance(vocabulary, dict) else 0
    contents = ["<x>", "", " ", "e", "he", "<|endoftext|>", "\n", "\0", "x" * 999]
    return [
        TOKEN
        | {
            "id": rng.choice([size + i, 0, size - 1, size + 7, 2**31, 2**32 - 1]),
            "content": rng.choice(contents),
            **{flag: rng.random() < 0.3 for flag in ("single_word", "lstrip", "rstrip")},
            "normalized": rng.random() < 0.5,
            "special": rng.random() < 0.5,
        }
        for i in range(rng.randint(1, 3))
    ]


def vocabulary_changed(vocabulary: Any, rng: Random) -> None:
    """Ids that are given twice, leave gaps or are past 2^32; tokens that are gone or renamed."""
    if not isinstance(vocabulary, dict) or len(vocabulary) < 2:
        return
    first, second = rng.sample(list(vocabulary), 2)
    match rng.randrange(6):
        case 0:
            vocabulary[first] = vocabulary[second]
        case 1:
            vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
        case 2:
            vocabulary[first] = rng.choice([len(vocabulary), 10**6, 2**32 - 1, 2**32, -1, 2**63])
        case 3:
            del vocabulary[first]
        case 4:
            vocabulary[rng.choice(["", "ab", "\0", "<unk>", "\n\n"])] = vocabulary.pop(first)
        case _:
            vocabulary[rng.choice(["", "ab", "\0", "<unk>"])] = len(vocabulary)
