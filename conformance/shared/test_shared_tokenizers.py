"""The four tokenizers of shared/text/tokenizers.py against literal ids and their definitions."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers as library

from conformance.truths.by_definition import same_bits
from shared.errors import TokenizerError
from shared.text import chunks
from shared.text.tokenizers import TOKENIZERS, Tokenizer, build_tokenizer

KINDS = TOKENIZERS
# Several scripts, a combining mark, an emoji of three code points, line ends of all kinds, and
# special tokens of other programs.
TRICKY = (
    "But, soft! what\r\n\tlight… Ça déjà; Ωμέγα 東京 и.\n\n  three  \u00a0\u2028e\u0301 👩\u200d🚀"
    " <unk> <|endoftext|> [PAD] <s>\x00\x1c\x85\rx's 'tis\n"
)
LONG = "".join(f"{TRICKY}{i}\nline {i % 7}\n \n" for i in range(1200))

WORD = r"[\w\u0301]+|\s|[^\w\s]"
"""Words, single spaces, single marks. An accent is part of a word; Python's \\w lacks it."""


def definition(kind: str, text: str, ids_of: str) -> list[int]:
    """The ids of `ids_of` by a tokenizer made from `text`, for all kinds except bpe."""
    if kind == "byte":
        return list(ids_of.encode())
    if kind == "char":
        place = {character: i for i, character in enumerate(sorted(set(text)))}
        return [place[character] for character in ids_of]
    counts = Counter(re.findall(WORD, text))
    words = ["<unk>", *sorted(counts, key=lambda word: (-counts[word], word))]
    place = {word: i for i, word in enumerate(words)}
    return [place.get(word, 0) for word in re.findall(WORD, ids_of)]


IDS = [
    ("byte", "", None, "Hello é€", [72, 101, 108, 108, 111, 32, 195, 169, 226, 130, 172]),
    ("char", "hello, Ωorld\n", None, "\n ,Ωdehlor", [0, 1, 2, 9, 3, 4, 5, 6, 7, 8]),
    ("word", "b a c b a d", None, "<unk> d  cab b?", [0, 0, 0, 1, 5, 1, 1, 0, 1, 3, 0]),
    ("word", "b a c b a d", 4, "a b c d", [2, 1, 3, 1, 0, 1, 0]),
    # Most common first: ab, then abc, then abcabc. An "x" is 87, as in GPT-2's own vocabulary: the
    # printable characters come first, from "!" on.
    ("bpe", "abcabcabcxabab", 259, "abcabcabcxabab", [258, 257, 87, 256, 256]),
    ("bpe", "abcabcabcxabab", 257, "abcabcabcxabab", [256, 66, 256, 66, 256, 66, 87, 256, 256]),
    ("bpe", "", None, "! é\n", [0, 220, 127, 102, 198]),
]


@pytest.mark.parametrize(("kind", "of", "size", "text", "ids"), IDS)
def test_ids(kind: str, of: str, size: int | None, text: str, ids: list[int]) -> None:
    tokenizer = build_tokenizer(kind, of, size)
    same_bits(tokenizer.encode(text), np.array(ids, dtype=np.int64), f"{kind} {text!r}")


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str, tmp_path: Path) -> None:
    """Any text comes back, also through tokenizer.json, and from ids of a smaller type."""
    tokenizer = build_tokenizer(kind, TRICKY)
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.to_json() == tokenizer.to_json()
    assert (loaded.kind, loaded.vocab_size) == (tokenizer.kind, tokenizer.vocab_size)
    assert tokenizer.kind == kind
    for each in (tokenizer, loaded):
        ids = each.encode(TRICKY)
        assert each.decode(ids) == "".join(each.decode_stream(iter(ids.tolist()))) == TRICKY
        assert 0 <= ids.min() <= ids.max() < each.vocab_size
        if kind != "bpe":
            assert ids.tolist() == definition(kind, TRICKY, TRICKY)
        same_bits(each.encode(TRICKY, np.uint16), ids.astype(np.uint16), "in a smaller type")
    same_bits(tokenizer.encode(""), np.empty(0, dtype=np.int64), "no text")
    assert tokenizer.decode([]) == ""
    for bad in (-1, tokenizer.vocab_size):
        with pytest.raises(TokenizerError, match=rf"{bad} .* 0 to {tokenizer.vocab_size - 1}"):
            tokenizer.decode([0, bad])


def test_a_file_like_gpt2s() -> None:
    """A special token's spelling is text, its id is not skipped; no truncation, no padding."""
    file = library.Tokenizer.from_str(build_tokenizer("bpe", TRICKY * 3, 300).to_json())
    file.post_processor = library.processors.ByteLevel(trim_offsets=False)
    file.add_special_tokens(["<|endoftext|>", "<| é |>"])
    file.enable_truncation(5)
    file.enable_padding(length=9)
    tokenizer = Tokenizer.from_json(file.to_str())
    assert (tokenizer.kind, tokenizer.vocab_size) == ("bpe", 302)
    ids = tokenizer.encode(TRICKY)
    assert max(ids) < 300
    assert (tokenizer.decode(ids), tokenizer.decode([300, 301])) == (TRICKY, "<|endoftext|><| é |>")
    assert len(tokenizer.encode("a")) == 1


def added(**flags: object) -> dict[str, Any]:
    """A token added to a vocabulary of three."""
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"added_tokens": [{"id": 3, "content": "q", **dict.fromkeys(names, False), **flags}]}


UNFIT: list[tuple[str, str, dict[str, Any]]] = [
    ("char", "", {"normalizer": {"type": "Lowercase"}}),
    ("char", "", {"decoder": None}),
    ("char", "", added(special=True)),  # which is never found in a text
    ("char", "model", {"vocab": {"a": 0, "b": 1, "c": 1000}}),
    ("word", "", {"pre_tokenizer": None}),
    ("word", "", added(id=4, rstrip=True)),
    ("word", "pre_tokenizer", {"behavior": "Removed"}),
    ("word", "model", {"unk_token": "a"}),
    ("byte", "model", {"merges": ["q1 z2"]}),
    ("bpe", "pre_tokenizer", {"add_prefix_space": True}),
    ("bpe", "pre_tokenizer", {"use_regex": False}),
    ("bpe", "model", {"dropout": 0.5}),
    ("bpe", "model", {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}),
]


@pytest.mark.parametrize(("kind", "part", "changes"), UNFIT, ids=str)
def test_files_that_would_change_a_text(kind: str, part: str, changes: dict[str, Any]) -> None:
    table = json.loads(build_tokenizer(kind, "a ab abc" if kind != "char" else "abc").to_json())
    Tokenizer.from_json(json.dumps(table))
    (table[part] if part else table).update(changes)
    with pytest.raises(TokenizerError):
        Tokenizer.from_json(json.dumps(table))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """The message is one line and names the file."""
    contents = (b"", b"[]", b"{}", b'{"\xe9": 1}', b'{"model": {"type": "none"}}')
    for i, content in enumerate(contents):
        (tmp_path / str(i)).write_bytes(content)
    unfit = build_tokenizer("bpe", "a").to_json().replace("ByteLevel", "Metaspace")
    (tmp_path / "unfit").write_text(unfit)
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "none"):
        with pytest.raises(TokenizerError, match=f"^{path}: .*$"):
            Tokenizer.load(path)


@pytest.mark.parametrize("size", [chunks.CHUNK, 10])
@pytest.mark.parametrize("kind", KINDS)
def test_long_texts(kind: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting a long text into chunks, a few or as many as possible, does not change its ids."""
    assert len(LONG) > 2 * chunks.CHUNK
    monkeypatch.setattr(chunks, "CHUNK", size)
    tokenizer = build_tokenizer(kind, LONG[:2000], 300 if kind == "bpe" else None)
    known = LONG if kind != "char" else "".join(c for c in LONG if c in LONG[:2000])
    whole = library.Tokenizer.from_str(tokenizer.to_json())
    expected = whole.encode(known).ids if kind == "bpe" else definition(kind, LONG[:2000], known)
    assert tokenizer.encode(known).tolist() == expected
    if kind == "word":
        text = build_tokenizer("word", known)
        assert text.decode(text.encode(known)) == known, "words of every chunk"


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_no_token_crosses_a_seam(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random texts of characters that programs disagree about, cut as often as possible."""
    parts = ["'s", "'ll", "\r\n", "\n\n", *"ab zA09_'\n\r\t  .,;-#`~^{}/中é٣²👩"]
    parts += "\x0b\x1c\x85\xa0\u180e\u2028\u3000\u0301\ufeff"
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(parts, rng.integers(60))) for _ in range(800)]
    tokenizer = build_tokenizer(kind, "".join(texts), 600 if kind == "bpe" else None)
    whole = library.Tokenizer.from_str(tokenizer.to_json())
    monkeypatch.setattr(chunks, "CHUNK", 2)
    for text in texts:
        assert tokenizer.encode(text).tolist() == whole.encode(text).ids, repr(text)


MANY = " ".join(f"w{i}" for i in range(9000))
SIZES = [
    *(("word", MANY, None, 8000), ("bpe", MANY, None, 1024)),
    *(("byte", "a b", 256, 256), ("char", "a b", 3, 3), ("word", "a b", 2, 2)),
    *(("word", "a b", 99, 4), ("bpe", "a b", 256, 256), ("bpe", "a b", 999, 257)),
]
IMPOSSIBLE = [
    *(("byte", "a b", size, f"vocab_size is {size}, but .* 256 tokens") for size in (255, 257)),
    *(("char", "a b", size, f"vocab_size is {size}, but .* 3 tokens") for size in (2, 4)),
    *(("word", "a b", size, f"2 or more, not {size}") for size in (0, 1)),
    *(("bpe", "a b", size, f"256 .* or more, not {size}") for size in (0, 255)),
    ("wordpiece", "a b", None, "no tokenizer 'wordpiece'; there are: byte, char, word, bpe"),
    *((kind, "", None, f"an empty text has no {kind}s") for kind in ("char", "word")),
]


def test_sizes() -> None:
    for kind, text, size, vocab_size in SIZES:
        assert build_tokenizer(kind, text, size).vocab_size == vocab_size
    for kind, text, size, message in IMPOSSIBLE:
        with pytest.raises(TokenizerError, match=message):
            build_tokenizer(kind, text, size)


def test_a_stream_gives_a_character_with_its_last_byte() -> None:
    """Invalid UTF-8 becomes U+FFFD as soon as that is certain."""
    arrived = 0

    def come(data: bytes) -> Iterator[int]:
        nonlocal arrived
        for arrived, byte in enumerate(data, start=1):  # noqa: B007
            yield byte

    tokenizer = build_tokenizer("byte", "")
    parts = [(arrived, text) for text in tokenizer.decode_stream(come("aé👩z".encode()))]
    assert parts == [(1, "a"), (3, "é"), (7, "👩"), (8, "z")]
    broken = bytes([0xF0, 0x9F, ord("a"), 0xFF, ord("b"), 0xE2])
    assert list(tokenizer.decode_stream(come(broken))) == ["\ufffda", "\ufffd", "b", "\ufffd"]
    assert [tokenizer.piece(i) for i in (0, 65, 255)] == [b"\x00", b"A", b"\xff"]


def test_what_is_unknown() -> None:
    """A character is an error that names its place; a word becomes <unk>; bytes are all known."""
    char = build_tokenizer("char", "abc\n")
    with pytest.raises(TokenizerError, match=r"'é' \(U\+00E9\), at line 3, column 3 \(offset 7 "):
        char.encode("\nabc\nabé\naéx")
    assert list(char.unknown_characters("xaéx").items()) == [("x", 2), ("é", 1)]
    word = build_tokenizer("word", "to be or not")
    text = "to sleep, or not to sleep"
    assert word.decode(word.encode(text)) == "to <unk><unk> or not to <unk>"
    assert word.unknown_words(text) == {"sleep": 2, ",": 1}
    for tokenizer in (word, build_tokenizer("byte", ""), build_tokenizer("bpe", "")):
        assert not tokenizer.unknown_characters("xé")
    assert not char.unknown_words("x y")
    first = {"byte": 1, "char": 2, "word": 4, "bpe": 1}
    for kind, size in first.items():
        tokenizer = build_tokenizer(kind, "éé a" if kind == "char" else "a")
        assert (tokenizer.first_token_bytes("éé a"), tokenizer.first_token_bytes("")) == (size, 0)
        with pytest.raises(TokenizerError, match=r"U\+D800.*line 1, column 2"):
            tokenizer.encode("a\ud800")
        with pytest.raises(TokenizerError, match=r"half a surrogate pair .*U\+DFFF"):
            build_tokenizer(kind, "a\udfff")
