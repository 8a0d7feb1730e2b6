"""The four tokenizers: exact round trips, fixed ids, and errors instead of silent losses."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import tokenizers as module
from shared.errors import TokenizerError
from shared.tokenizers import TOKENIZERS, Tokenizer, build_tokenizer

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


def gpt2_like(**changes: object) -> str:
    """A tokenizer.json laid out as GPT-2's: byte-level BPE, and one special token added."""
    library = hf.Tokenizer.from_str(build_tokenizer("bpe", TEXT * 3, 300).to_json())
    library.post_processor = hf.processors.ByteLevel(trim_offsets=False)
    library.add_special_tokens(["<|endoftext|>"])
    return json.dumps({**json.loads(library.to_str()), **changes})


def test_every_kind_writes_its_own_text_back(tokenizer):
    ids = tokenizer.encode(TEXT)
    assert ids.dtype == np.int64
    assert ids.ndim == 1
    assert 0 <= ids.min() <= ids.max() < tokenizer.vocab_size
    assert tokenizer.decode(ids) == TEXT


@pytest.mark.parametrize("kind", ["byte", "bpe"])
@given(text=ANY_TEXT)
@without_deadline
def test_bytes_and_bpe_write_any_text_back(kind, text):
    tokenizer = BUILT[kind]
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=st.text(sorted(set(TEXT))))
@without_deadline
def test_char_writes_any_text_of_its_characters_back(text):
    assert BUILT["char"].decode(BUILT["char"].encode(text)) == text
    assert len(BUILT["char"].encode(text)) == len(text)


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


def test_a_stream_yields_a_character_with_its_last_byte():
    arrived = 0

    def ids():
        nonlocal arrived
        for byte in "aé👩z".encode():
            arrived += 1
            yield byte

    parts = [(arrived, text) for text in BUILT["byte"].decode_stream(ids())]
    assert parts == [(1, "a"), (3, "é"), (7, "👩"), (8, "z")]


def test_a_stream_does_not_wait_for_what_cannot_come():
    stream = BUILT["byte"].decode_stream(iter([0xF0, 0x9F, ord("a"), 0xFF, ord("b"), 0xE2]))
    assert [next(stream) for _ in range(3)] == ["\ufffda", "\ufffd", "b"]
    assert list(stream) == ["\ufffd"]


def test_ids_of_bytes_are_the_bytes():
    assert BUILT["byte"].encode("Hello").tolist() == [72, 101, 108, 108, 111]
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x2_0000)]))
    assert BUILT["byte"].encode(everything).tolist() == list(everything.encode())
    assert BUILT["byte"].vocab_size == 256


def test_ids_of_characters_are_in_code_point_order():
    tokenizer = build_tokenizer("char", "hello, Ωorld\n")
    assert tokenizer.encode("\n ,HΩ"[:3] + "Ω").tolist() == [0, 1, 2, 9]
    assert tokenizer.decode(range(tokenizer.vocab_size)) == "".join(sorted(set("hello, Ωorld\n")))


def test_words_are_ranked_by_count_and_then_alphabetically():
    tokenizer = build_tokenizer("word", "b a c b a d", vocab_size=5)
    assert tokenizer.decode(range(5)) == "<unk> abc"
    assert tokenizer.vocab_size == 5


def test_unknown_words_are_counted():
    tokenizer = build_tokenizer("word", "to be or not", vocab_size=100)
    assert tokenizer.decode(tokenizer.encode("to sleep, or not to sleep")) == (
        "to <unk><unk> or not to <unk>"
    )
    assert tokenizer.unknown_words("to sleep, or not to sleep") == {"sleep": 2, ",": 1}


def test_default_sizes():
    text = " ".join(f"word{i}" for i in range(9000))
    assert build_tokenizer("word", text).vocab_size == 8000
    assert build_tokenizer("bpe", text).vocab_size == 1024
    assert build_tokenizer("bpe", text, 256).vocab_size == 256
    assert build_tokenizer("bpe", "short", 1024).vocab_size < 1024


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_special_spellings_are_text(kind):
    for text in ("<unk>", "<|endoftext|>", "a<|endoftext|>b <unk>"):
        tokenizer = build_tokenizer(kind, text)
        assert len(tokenizer.encode(text)) > 1
        assert tokenizer.decode(tokenizer.encode(text)) == text


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
        "import sys; from shared.tokenizers import *\n"
        "text = sys.stdin.read()\n"
        "for kind in TOKENIZERS: print(build_tokenizer(kind, text).to_json())"
    )
    text = "".join(chr(65 + i * i % 23) + " " * (i % 3 == 0) for i in range(5000))
    run = [sys.executable, "-c", script]
    there = subprocess.run(run, input=text, capture_output=True, text=True, check=True).stdout
    here = [build_tokenizer(kind, text).to_json() for kind in TOKENIZERS]
    assert there.splitlines() == here


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    loaded = Tokenizer.load(path)
    assert (loaded.kind, loaded.vocab_size) == (tokenizer.kind, tokenizer.vocab_size)
    assert loaded.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
    assert loaded.to_json() == tokenizer.to_json() == path.read_text(encoding="utf-8")
    assert hf.Tokenizer.from_file(str(path)).get_vocab_size() == tokenizer.vocab_size


def test_a_tokenizer_laid_out_as_gpt2s_loads():
    tokenizer = Tokenizer.from_json(gpt2_like())
    assert (tokenizer.kind, tokenizer.vocab_size) == ("bpe", 301)
    assert 300 not in tokenizer.encode(TEXT)  # its spelling in a text is text …
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.decode([300]) == "<|endoftext|>"  # … and its id is not skipped


def test_truncation_and_padding_in_a_file_are_ignored():
    library = hf.Tokenizer.from_str(BUILT["bpe"].to_json())
    library.enable_truncation(5)
    library.enable_padding(length=9)
    tokenizer = Tokenizer.from_json(library.to_str())
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.encode("a").size == 1


def test_an_empty_text_has_no_tokens(tokenizer):
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.encode("").dtype == np.int64
    assert tokenizer.decode([]) == ""
    assert tokenizer.first_token_bytes("") == 0


@pytest.mark.parametrize(("kind", "size"), [("byte", 1), ("char", 2), ("word", 4), ("bpe", 1)])
def test_bytes_of_the_first_token(kind, size):
    tokenizer = build_tokenizer(kind, "abc" if kind in ("word", "bpe") else "é")
    assert tokenizer.first_token_bytes("éàé abc" if kind != "char" else "éé") == {
        "byte": 1, "char": 2, "word": 6, "bpe": 1,
    }[kind]  # fmt: skip


@pytest.mark.parametrize("bad", [-1, 10**6])
def test_ids_outside_the_vocabulary_are_errors(tokenizer, bad):
    for decode in (tokenizer.decode, lambda ids: list(tokenizer.decode_stream(ids))):
        with pytest.raises(TokenizerError, match=rf"{bad} .* 0 to {tokenizer.vocab_size - 1}"):
            decode([0, bad])


def test_an_unknown_character_is_named_with_its_place():
    tokenizer = build_tokenizer("char", "abc\n")
    with pytest.raises(TokenizerError) as caught:
        tokenizer.encode("abc\nabé\nax")
    for part in ("'é'", "U+00E9", "line 2, column 3", "offset 6"):
        assert part in str(caught.value)


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


def test_sizes_that_are_what_it_needs_are_accepted():
    assert build_tokenizer("byte", "", 256).vocab_size == 256
    assert build_tokenizer("char", "abca", 3).vocab_size == 3


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
    "a normalizer": gpt2_like(normalizer={"type": "Lowercase"}),
    "a byte missing": changed("byte", '"Ġ"', '"ab"'),
    "a gap in the ids": changed("char", '":0', '":1000'),
    "a merge of unknown tokens": changed("byte", '"merges":[]', '"merges":["q1 z2"]'),
    "an added space": changed("bpe", '"add_prefix_space":false', '"add_prefix_space":true'),
    "bytes that are not split": changed("bpe", '"use_regex":true', '"use_regex":false'),
    "dropout": changed("bpe", '"dropout":null', '"dropout":0.1'),
    "another pattern": changed("word", r"\\w+", r"\\d+"),
    "a splitter that removes": changed("char", '"Isolated"', '"Removed"'),
    "a splitter turned round": changed("word", '"invert":false', '"invert":true'),
    "a token that swallows spaces": with_token("bpe", "<x>", lstrip=True),
    "a character that is never found": with_token("char", "q", special=True),
    "marks where words end": changed(
        "bpe", '"end_of_word_suffix":null', '"end_of_word_suffix":"</w>"'
    ),
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
