"""Tokenizers by other programs: tokenizer.json, or GPT-2's own vocab.json and merges.txt.

With the latter, added_tokens.json has further tokens. tokenizer_config.json and
special_tokens_map.json say which ones are special.

Everything here raises `CheckpointError`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers as hf
from tokenizers import models

from shared.checkpoints import parts
from shared.checkpoints.untrusted import decode, parse_object, read_bytes, refuse, show
from shared.errors import TokenizerError
from shared.text.tokenizers import Tokenizer, byte_level

VOCABULARY, MERGES, ADDED = "vocab.json", "merges.txt", "added_tokens.json"
SPECIAL_MAP = "special_tokens_map.json"
END = "<|endoftext|>"
"""Special in GPT-2 whether or not a file says so."""


def read_tokenizer(directory: Path, vocab_size: int) -> Tokenizer | None:
    """The tokenizer of a model of `vocab_size` tokens; None if there is none."""
    names = (parts.TOKENIZER, VOCABULARY, MERGES)
    found = [name for name in names if parts.exists(directory, name)]
    if not found:
        return None
    settings = _read_table(directory, parts.TOKENIZER_CONFIG)
    if settings.get("add_prefix_space"):
        file = directory / parts.TOKENIZER_CONFIG
        refuse(file, "add_prefix_space would put a space before every text: only false is read")
    file = directory / found[0]
    try:
        if file.name == parts.TOKENIZER:
            tokenizer = Tokenizer.from_json(_read(directory, file.name))
        else:
            tokenizer = Tokenizer(_gpt2_tokenizer(directory, settings))
    except TokenizerError as error:
        refuse(file, error)
    size = tokenizer.vocab_size
    if size > vocab_size:
        what = f"the tokenizer has {size} tokens, the model {vocab_size}"
        refuse(file, f"{what}; in Transformers, model.resize_token_embeddings({size}) adds rows")
    return tokenizer


def _gpt2_tokenizer(directory: Path, settings: Mapping[str, Any]) -> hf.Tokenizer:
    """GPT-2's own files: an object of ids, and pairs of tokens to merge, one per line, in order."""
    for name in (VOCABULARY, MERGES):
        if not parts.exists(directory, name):
            both = f"{VOCABULARY} and {MERGES} need each other"
            refuse(directory / name, f"this file is missing; {both}")
    vocabulary = _read_ids(directory, VOCABULARY)
    pairs = []
    for number, line in enumerate(_read(directory, MERGES).splitlines(), start=1):
        if not line or line.startswith("#version"):
            continue
        left, _, right = line.partition(" ")
        if not vocabulary.keys() >= {left, right, left + right}:
            problem = f"is no pair of tokens of {VOCABULARY} that make a third"
            refuse(directory / MERGES, f"line {number}: {show(line)} {problem}")
        pairs.append((left, right))
    tokenizer = byte_level(models.BPE(vocabulary, pairs))
    added = _read_ids(directory, ADDED)
    tokenizer.add_tokens(sorted(added, key=added.__getitem__))
    for token, index in added.items():
        if tokenizer.token_to_id(token) != index:
            problem = f"cannot have the id {index}: those of {VOCABULARY} go on without gaps"
            refuse(directory / ADDED, f"{show(token)} {problem}")
    special = {END, *_special(settings), *_special(_read_table(directory, SPECIAL_MAP))}
    tokenizer.add_special_tokens(sorted(special & (vocabulary.keys() | added.keys())))
    return tokenizer


def _special(table: Mapping[str, Any]) -> Iterator[str]:
    """The special tokens that a file names: "eos_token": "x", or {"content": "x"}, or lists."""
    for key, value in table.items():
        if key.endswith(("_token", "_special_tokens")):
            for entry in value if isinstance(value, list) else [value]:
                content = entry.get("content") if isinstance(entry, dict) else entry
                if isinstance(content, str):
                    yield content


def _read(directory: Path, name: str) -> str:
    return decode(directory / name, read_bytes(directory, name, parts.TOKENIZER_LIMIT))


def _read_table(directory: Path, name: str) -> dict[str, Any]:
    """A JSON object; {} if the file is missing."""
    if not parts.exists(directory, name):
        return {}
    # Transformers writes 10^30 for an unlimited length, so integers may have any size.
    content = read_bytes(directory, name, parts.TOKENIZER_LIMIT)
    return parse_object(directory / name, content, parse_int=int)


def _read_ids(directory: Path, name: str) -> dict[str, int]:
    ids = _read_table(directory, name)
    for token, index in ids.items():
        if type(index) is not int or not 0 <= index < 2**31:
            refuse(directory / name, f"{show(token)}: expected an id, found {show(index)}")
    if re.search("[\ud800-\udfff]", "".join(ids)):  # JSON can spell these, the library cannot
        refuse(directory / name, "half a surrogate pair is no character")
    return ids
