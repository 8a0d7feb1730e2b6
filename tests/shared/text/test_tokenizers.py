"""The four tokenizers: exact round trips, fixed ids, and errors instead of silent losses."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import TokenizerError
from shared.text import tokenizers as module
from shared.text.tokenizers import TOKENIZERS, Tokenizer, build_tokenizer

# Several scripts, combining marks, an emoji of several code points, all kinds of line ends, and
# the spellings of special tokens.
TEXT = (
    "ROMEO: But, soft! what light through yonder window breaks?\r\n"
    "\tÇa déjà vu… naïve; Ωμέγα, 東京 и мир.\n\n   three  spaces\u00a0\u2028"
    "e\u0301 👩\u200d🚀 <unk> <|endoftext|> [PAD] \x00\x1c\x85\n"
)
BUILT = {kind: build_tokenizer(kind, TEXT) for kind in TOKENIZERS}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ids_of = {
    kind: st.lists(st.integers(0, tokenizer.vocab_size - 1)) for kind, tokenizer in BUILT.items()
}
without_deadline = settings(deadline=None)


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request) -> Tokenizer:
    return BUILT[request.param]


@pytest.mark.parametrize("kind", ["byte", "bpe"])
@given(text=ANY_TEXT)
@without_deadline
def test_bytes_and_bpe_write_any_text_back(kind, text):
    tokenizer = BUILT[kind]
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=ANY_TEXT)
@without_deadline
def test_a_word_tokenizer_of_a_text_writes_it_back(text):
    tokenizer = build_tokenizer("word", f"{text} x")
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert not tokenizer.unknown_words(text)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
@without_deadline
def test_a_stream_gives_what_decode_and_the_library_give(kind, data):
    tokenizer = BUILT[kind]
    ids = data.draw(ids_of[kind])
    streamed = "".join(tokenizer.decode_stream(iter(ids)))
    assert streamed == tokenizer.decode(np.array(ids, dtype=np.int64))
    library = hf.Tokenizer.from_str(tokenizer.to_json())
    assert streamed == library.decode(ids, skip_special_tokens=False)


@given(data=st.binary())
@without_deadline
def test_invalid_utf8_becomes_replacement_characters(data):
    assert BUILT["byte"].decode(data) == data.decode("utf-8", errors="replace")


def test_ids_of_bytes_are_the_bytes():
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x2_0000)]))
    assert BUILT["byte"].encode(everything).tolist() == list(everything.encode())


def test_long_texts_are_encoded_in_chunks_that_change_nothing(tokenizer, monkeypatch):
    text = "".join(f"{TEXT}{i}\nline\n \n\nword's\n'tis\n" for i in range(30))
    monkeypatch.setattr(module, "CHUNK", 10)
    assert sum(1 for _ in module._chunks(text)) > 60
    library = hf.Tokenizer.from_str(BUILT[tokenizer.kind].to_json())
    known = text if tokenizer.kind != "char" else "".join(c for c in text if c in TEXT)
    assert tokenizer.encode(known).tolist() == library.encode(known).ids


def test_the_same_text_gives_the_same_ids_in_another_process():
    """String hashes differ between processes, and the library trains in several threads."""
    script = (
        "import sys; from shared.text.tokenizers import *\n"
        "text = sys.stdin.read()\n"
        "for kind in TOKENIZERS: print(build_tokenizer(kind, text).to_json())"
    )
    text = "".join(chr(65 + i * i % 23) + " " * (i % 3 == 0) for i in range(5000))
    run = [sys.executable, "-c", script]
    there = subprocess.run(run, input=text, capture_output=True, text=True, check=True).stdout
    here = [build_tokenizer(kind, text).to_json() for kind in TOKENIZERS]
    assert there.splitlines() == here


def test_half_a_surrogate_pair_is_an_error(tokenizer):
    with pytest.raises(TokenizerError, match=r"U\+D800.*line 1, column 2"):
        tokenizer.encode("a\ud800")
    with pytest.raises(TokenizerError, match=r"U\+DFFF"):
        build_tokenizer(tokenizer.kind, "a\udfff")


@pytest.mark.parametrize(
    ("kind", "text", "size", "message"),
    [
        ("wordpiece", "a", None, "'wordpiece'.*byte, char, word, bpe"),
        ("byte", "a", 257, "257.*256"),
        ("char", "ab", 3, "3.*2 tokens"),
        ("word", "ab", 1, "2 or more"),
        ("word", "ab", 0, "2 or more"),
        ("bpe", "ab", 255, "256"),
        ("bpe", "ab", 0, "256"),
        ("char", "", None, "empty"),
        ("word", "", None, "empty"),
    ],
)
def test_what_cannot_be_built(kind, text, size, message):
    with pytest.raises(TokenizerError, match=message):
        build_tokenizer(kind, text, size)


def changed(kind: str, was: str, becomes: str) -> str:
    """The tokenizer.json of a kind, with the first occurrence of something replaced."""
    text = BUILT[kind].to_json()
    assert was in text
    return text.replace(was, becomes, 1)


def with_token(kind: str, content: str, **flags: bool) -> str:
    """The tokenizer.json of a kind, with one token added."""
    table = json.loads(BUILT[kind].to_json())
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    size = BUILT[kind].vocab_size
    table["added_tokens"] = [{"id": size, "content": content, **plain, **flags}]
    return json.dumps(table)


UNUSABLE = {
    "empty": "",
    "not JSON": "tokenizer",
    "cut short": BUILT["bpe"].to_json()[:1000],
    "no object": "[]",
    "no model": "{}",
    "another model": hf.Tokenizer(hf.models.Unigram([("a", 0.0)], 0)).to_str(),
    "no splitter": hf.Tokenizer(hf.models.WordLevel({"<unk>": 0}, unk_token="<unk>")).to_str(),
    "a byte missing": changed("byte", '"Ġ"', '"ab"'),
    "a gap in the ids": changed("char", '":0', '":1000'),
    "a merge of unknown tokens": changed("byte", '"merges":[]', '"merges":["q1 z2"]'),
    "another pattern": changed("word", r"\\w+", r"\\d+"),
    "a token that swallows spaces": with_token("bpe", "<x>", lstrip=True),
    "a character that is never found": with_token("char", "q", special=True),
    "marks on which the library panics": changed(
        "bpe", '"continuing_subword_prefix":null', '"continuing_subword_prefix":"##"'
    ),
}


@pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE)
def test_files_that_cannot_be_used(text, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


class PanicException(BaseException):
    """What a panic of the library arrives as: no `Exception`, and this is all that one can see."""


@pytest.mark.parametrize(("raised", "seen"), [(PanicException, TokenizerError), (SystemExit,) * 2])
def test_a_panic_of_the_library_is_an_error_like_any_other(monkeypatch, raised, seen):
    class Library:
        @staticmethod
        def from_str(text):
            raise raised("slice index")

    text = BUILT["byte"].to_json()
    monkeypatch.setattr(module.hf, "Tokenizer", Library)
    with pytest.raises(seen, match="slice index"):
        Tokenizer.from_json(text)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin").write_bytes(b'{"\xe9": 1}')
    for path in (tmp_path / "none", tmp_path, tmp_path / "latin"):
        with pytest.raises(TokenizerError, match=str(path)):
            Tokenizer.load(path)
