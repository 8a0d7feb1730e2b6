"""The four tokenizers: bytes, characters, words, and byte-pair encoding.

All are built from the parts of Hugging Face's `tokenizers` library and saved as its tokenizer.json,
which other programs can read; GPT-2's own file loads too. This module settles what the library
leaves open: text that cannot be encoded and meaningless ids are errors instead of silent losses,
and a special token that is spelled out in a text, such as "<|endoftext|>", is ordinary text.
"""

import codecs
import json
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import tokenizers as hf
from jaxtyping import Int, Integer
from numpy.typing import DTypeLike
from tokenizers import decoders, models, pre_tokenizers, trainers

from shared.errors import TokenizerError
from shared.files import write_whole
from shared.text.chunks import chunks, interruptible
from shared.text.utf8 import Text, characters_of, check_unicode, first_of, place_of, slices

TOKENIZERS = ("byte", "char", "word", "bpe")

Spec = dict[str, Any]
"""The content of a tokenizer.json, or a part of it."""

UNKNOWN = "<unk>"
DEFAULT_WORDS = 8000
DEFAULT_BPE = 1024

CHARACTER = r"[\s\S]"  # "." would not match a newline
WORD = r"\w+|\s|[^\w\s]"  # no piece can be "<unk>", so that spelling stays text


def _byte_characters() -> list[str]:
    """The printable character that GPT-2 writes for each byte (Radford et al. 2019, encoder.py).

    Printable bytes stand for themselves; the others are U+0100 onwards, in order.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


BYTE_CHARACTERS = _byte_characters()
_BYTE_OF = {character: byte for byte, character in enumerate(BYTE_CHARACTERS)}


class Tokenizer:
    """Text to token ids and back.

    Attributes:
        kind: "byte", "char", "word" or "bpe".
        vocab_size: number of different tokens; the ids are 0 to vocab_size - 1.
        begin_of_text: the token that begins a text, if there is one.
        end_of_text: tokens that end a text. Only GPT-2's tokenizers have these two: our texts never
            end.
    """

    begin_of_text: int | None = None
    end_of_text: frozenset[int] = frozenset()

    def __init__(self, library_tokenizer: hf.Tokenizer) -> None:
        """Wrap a tokenizer of the library. Raises `TokenizerError` if it is none of the four."""
        library_tokenizer.no_truncation()
        library_tokenizer.no_padding()
        library_tokenizer.encode_special_tokens = True  # encode their spelling as text
        self._library = library_tokenizer
        vocabulary: dict[str, int] = library_tokenizer.get_vocab(with_added_tokens=True)
        # Before to_str, which allocates memory for every missing id up to the last.
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise TokenizerError("the ids of this tokenizer are not 0, 1, 2 … without gaps")
        self.kind = _kind(json.loads(library_tokenizer.to_str()), vocabulary)
        self.vocab_size = len(vocabulary)
        self._vocabulary = vocabulary
        # The bytes of each token: one of byte or bpe may be only part of a character.
        to_bytes = _spelled_bytes if self.kind in ("byte", "bpe") else str.encode
        self._pieces = [to_bytes(token) for token in sorted(vocabulary, key=vocabulary.__getitem__)]

    def encode(self, text: Text, dtype: DTypeLike = np.int64) -> Integer[np.ndarray, " T"]:
        """The ids of a text, in an integer type that can hold them all.

        Raises `TokenizerError` where `check` does.
        """
        self.check(text)
        if self.kind == "byte":
            return np.frombuffer(text.encode(), dtype=np.uint8).astype(dtype, copy=False)
        if self.kind == "char":
            # By table: the library takes 400 bytes per character, and 20 times as long.
            ids = np.empty(len(text), dtype)
            for start, part in slices(text):
                codes = np.frombuffer(part.encode("utf-32-le"), dtype="<u4")
                ids[start : start + len(part)] = self._id_of_code[codes]
            return ids
        encoded = (np.array(self._ids_of(chunk), dtype) for chunk in chunks(text, self.kind))
        return np.concatenate([np.empty(0, dtype), *encoded])

    def _ids_of(self, chunk: str) -> list[int]:
        if self.kind == "word" and _is_one_word(chunk):
            return [self._vocabulary.get(chunk, 0)]
        return list(self._library.encode(chunk, add_special_tokens=False).ids)

    @cached_property
    def _id_of_code(self) -> Int[np.ndarray, " U"]:
        """For "char": the id of every character, by code point."""
        ids = np.zeros(1 + max(map(ord, self._vocabulary)), dtype=np.int64)
        ids[[ord(character) for character in self._vocabulary]] = list(self._vocabulary.values())
        return ids

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """The text of a sequence of ids; bytes that are not UTF-8 become U+FFFD.

        Raises `TokenizerError` for an id outside the vocabulary.
        """
        return "".join(self.decode_stream(ids))

    def decode_stream(self, ids: Iterable[SupportsIndex]) -> Iterator[str]:
        """Decode ids as they arrive: each character as soon as it is complete, never half of one.

        Joined, the parts are what `decode` returns. At most three bytes are held back: the
        beginning of a character whose end may still arrive.
        """
        utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in ids:
            if text := utf8.decode(self.piece(token)):
                yield text
        if text := utf8.decode(b"", final=True):
            yield text

    def check(self, text: Text) -> None:
        """Raise `TokenizerError`, with the character and its place, if a text cannot be encoded."""
        if self.kind != "char":
            check_unicode(text)
        elif unknown := characters_of(text) - self._vocabulary.keys():
            where = first_of(text, unknown)
            raise TokenizerError(f"the char tokenizer does not know {place_of(text, where)}")

    def unknown_characters(self, text: Text) -> Counter[str]:
        """The characters that cannot be encoded, in the order of the text. Only "char" has any."""
        if self.kind != "char":
            return Counter()
        unknown = characters_of(text) - self._vocabulary.keys()
        parts = (part for _, part in slices(text) if not unknown.isdisjoint(part))
        return Counter(c for part in parts for c in part if c in unknown)

    def unknown_words(self, text: Text) -> Counter[str]:
        """The words that become "<unk>", and how often each. Always empty except for "word"."""
        if self.kind != "word":
            return Counter()
        return Counter(word for word in split_words(text) if word not in self._vocabulary)

    def first_token_bytes(self, text: Text) -> int:
        """How many bytes of UTF-8 the first token of a text stands for; 0 if it has none."""
        if not text:
            return 0
        chunk = next(chunks(text, "word" if self.kind == "word" else "bpe"))
        if self.kind == "word":  # "<unk>" differs in length from what it stands for
            return len(next(split_words(chunk)).encode())
        return len(self.piece(self.encode(chunk)[0]))

    @property
    def special_tokens(self) -> dict[int, str]:
        """The spellings of the special tokens, by id."""
        added = self._library.get_added_tokens_decoder()
        return {i: token.content for i, token in added.items() if token.special}

    def special_spellings(self, text: Text) -> list[str]:
        """The special tokens that are spelled out in a text, where they are ordinary text."""
        data, special = text.encode(), self.special_tokens.values()
        return [token for token in special if re.search(re.escape(token.encode()), data)]

    def to_json(self) -> str:
        return str(self._library.to_str())

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """Read the contents of a tokenizer.json. Raises `TokenizerError` for any other kind."""
        try:
            model = json.loads(text)["model"]
            if model.get("type", "BPE") == "BPE":  # GPT-2's own file does not say
                _check_affixes(model)
            library_tokenizer = hf.Tokenizer.from_str(text)
        except TokenizerError:
            raise
        except BaseException as error:
            # The library is written in Rust. It raises plain `Exception`s; a panic arrives as a
            # `BaseException` that has no public name.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            reason = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in reason)  # quoted
            raise TokenizerError(f"this is no tokenizer.json: {reason}") from error
        return cls(library_tokenizer)

    def pad(self, vocab_size: int) -> None:
        """Extend to `vocab_size` ids, for a model with a rounded number of them. The new ids write
        nothing."""
        self._pieces += [b""] * (vocab_size - self.vocab_size)
        self.vocab_size = vocab_size

    def save(self, path: str | Path) -> None:
        write_whole(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a tokenizer.json. Raises `TokenizerError`, which names the file."""
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise TokenizerError(f"{path}: there is no such file") from error
        except OSError as error:
            raise TokenizerError(f"{path}: {error.strerror or error}") from error
        except (TokenizerError, UnicodeDecodeError) as error:
            raise TokenizerError(f"{path}: {error}") from error

    def piece(self, token: SupportsIndex) -> bytes:
        """The bytes that a token writes; for byte and bpe, perhaps only part of a character."""
        index = operator.index(token)
        if not 0 <= index < self.vocab_size:
            raise TokenizerError(
                f"token id {index} is outside the vocabulary: ids are 0 to {self.vocab_size - 1}"
            )
        return self._pieces[index]


def build_tokenizer(kind: str, text: Text, vocab_size: int | None = None) -> Tokenizer:
    """Build a tokenizer from a text. The same arguments always give the same ids.

    `vocab_size` is the maximum number of tokens, for "word" (default 8,000, "<unk>" included) and
    "bpe" (default 1,024; at least 256, one per byte). A short text may yield fewer. "byte" and
    "char" have as many as they need, and accept only that number. Raises `TokenizerError` for an
    impossible kind or size, and for a text with no words or characters, or with lone surrogates."""
    if vocab_size is not None and vocab_size >= 2**31:
        raise TokenizerError(f"vocab_size is {vocab_size}; it must be below 2^31")
    check_unicode(text)
    if not text and kind in ("char", "word"):
        raise TokenizerError(f"an empty text has no {kind}s to build a tokenizer from")
    match kind:
        case "byte":
            return Tokenizer(_build_byte(vocab_size))
        case "char":
            return Tokenizer(_build_char(text, vocab_size))
        case "word":
            return Tokenizer(_build_word(text, DEFAULT_WORDS if vocab_size is None else vocab_size))
        case "bpe":
            return Tokenizer(_build_bpe(text, DEFAULT_BPE if vocab_size is None else vocab_size))
        case _:
            known = ", ".join(TOKENIZERS)
            raise TokenizerError(f"there is no tokenizer {kind!r}; there are: {known}")


def _build_byte(vocab_size: int | None) -> hf.Tokenizer:
    _check_fixed_size("byte", vocab_size, 256)
    vocabulary = {character: byte for byte, character in enumerate(BYTE_CHARACTERS)}
    return byte_level(models.BPE(vocab=vocabulary, merges=[]), use_regex=False)


def byte_level(model: models.BPE, use_regex: bool = True) -> hf.Tokenizer:
    """A byte-level tokenizer, like GPT-2's; with `use_regex`, no merge crosses words."""
    tokenizer = hf.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _build_char(text: Text, vocab_size: int | None) -> hf.Tokenizer:
    characters = sorted(characters_of(text))
    _check_fixed_size("char", vocab_size, len(characters))
    return _word_level({c: i for i, c in enumerate(characters)}, CHARACTER)


def _build_word(text: Text, vocab_size: int) -> hf.Tokenizer:
    if vocab_size < 2:
        raise TokenizerError(f"a word tokenizer needs a vocab_size of 2 or more, not {vocab_size}")
    counts = Counter(split_words(text))
    by_frequency = sorted(counts, key=lambda word: (-counts[word], word))
    words = [UNKNOWN, *by_frequency[: vocab_size - 1]]
    return _word_level({word: i for i, word in enumerate(words)}, WORD)


def _word_level(vocabulary: dict[str, int], pattern: str) -> hf.Tokenizer:
    tokenizer = hf.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(hf.Regex(pattern), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _build_bpe(text: Text, vocab_size: int) -> hf.Tokenizer:
    if vocab_size < 256:
        raise TokenizerError(
            f"a bpe tokenizer needs a vocab_size of 256 (one per byte) or more, not {vocab_size}"
        )
    tokenizer = byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=BYTE_CHARACTERS,  # without it, bytes the text lacks vanish silently
        show_progress=False,
    )
    interruptible(lambda: tokenizer.train_from_iterator(chunks(text, "bpe"), trainer))
    return tokenizer


def _check_fixed_size(kind: str, vocab_size: int | None, needed: int) -> None:
    if vocab_size not in (None, needed):
        raise TokenizerError(
            f"vocab_size is {vocab_size}, but this {kind} tokenizer has {needed} tokens: "
            f"it can only be {needed} or None"
        )


def _kind(spec: Spec, vocabulary: dict[str, int]) -> str:
    """Which of the four a tokenizer.json describes. Raises `TokenizerError` if none."""
    if spec["normalizer"] is not None:
        raise TokenizerError("this tokenizer has a normalizer, which would change the text")
    if any(token["lstrip"] or token["rstrip"] for token in spec["added_tokens"]):
        raise TokenizerError("this tokenizer has tokens that swallow the spaces beside them")
    kind = {"WordLevel": _word_level_kind, "BPE": _bpe_kind}.get(spec["model"]["type"])
    splitter = spec["pre_tokenizer"] or {}
    found = kind(spec, splitter, vocabulary) if kind else None
    if found is None:
        raise TokenizerError(f"this tokenizer is none of the four ({', '.join(TOKENIZERS)})")
    return found


def _word_level_kind(spec: Spec, splitter: Spec, vocabulary: dict[str, int]) -> str | None:
    if (spec["decoder"] or {}).get("type") != "Fuse" or splitter.get("type") != "Split":
        return None
    if splitter["behavior"] != "Isolated" or splitter["invert"]:  # pieces could vanish
        return None
    pattern = splitter["pattern"].get("Regex")
    known = spec["model"]["vocab"]  # an added token is never found in a text
    if pattern == CHARACTER and all(len(token) == 1 and token in known for token in vocabulary):
        return "char"
    if pattern == WORD and vocabulary.get(UNKNOWN) == 0 and spec["model"]["unk_token"] == UNKNOWN:
        return "word"
    return None


def _bpe_kind(spec: Spec, splitter: Spec, vocabulary: dict[str, int]) -> str | None:
    _check_affixes(spec["model"])
    byte_level = (spec["decoder"] or {}).get("type") == "ByteLevel" == splitter.get("type")
    if not byte_level or splitter["add_prefix_space"] or spec["model"]["dropout"]:
        return None
    if vocabulary == _BYTE_OF:
        return "byte"
    if not splitter["use_regex"]:  # tokens could cross newlines, and chunks would matter
        return None
    if not vocabulary.keys() >= _BYTE_OF.keys():
        raise TokenizerError("this bpe tokenizer lacks tokens for some bytes, which would vanish")
    return "bpe"


def _check_affixes(model: Spec) -> None:
    """Refuse BPE that marks where words begin and end. (On some such files the library panics.)"""
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise TokenizerError("this bpe tokenizer adds marks to its tokens, which change the text")


def _spelled_bytes(token: str) -> bytes:
    """The bytes of a token in GPT-2's spelling; an added token may be spelled as plain text."""
    if all(character in _BYTE_OF for character in token):
        return bytes(_BYTE_OF[character] for character in token)
    return token.encode()


def split_words(text: Text) -> Iterator[str]:
    """Split a text as "word" does: into words, and single spaces and punctuation marks."""
    split = pre_tokenizers.Split(hf.Regex(WORD), "isolated")
    for chunk in chunks(text, "word"):
        if _is_one_word(chunk):
            yield chunk
        else:
            yield from (word for word, _ in split.pre_tokenize_str(chunk))


def _is_one_word(chunk: str) -> bool:
    """Whether all characters certainly match \\w. In a word of a million characters, the library
    would take 85 bytes for each."""
    return chunk.isalpha() or (chunk.isascii() and chunk.isalnum())
