"""The four tokenizers on any text, any ids and in any process; no text commands a terminal."""

import sys
import unicodedata

import numpy as np
import pytest
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from shared.commands.terminal import escape_controls
from shared.errors import TokenizerError
from shared.text.tokenizers import TOKENIZERS, UNKNOWN, WORD, build_tokenizer, split_words
from tests.command_line import run_python

KNOWN = (
    "ROMEO: But, soft! what light through yonder window breaks?\r\n"
    "\tÇa déjà vu… naïve; Ωμέγα, 東京 и мир.\n\n   three  spaces\u00a0\u2028"
    "e\u0301 👩\u200d🚀 <unk> <|endoftext|> [PAD] \x00\x1c\x85\n"
)
"""The text that the tokenizers are built from: several scripts, and all awkward characters."""
FRAGMENTS = (
    *("<unk>", "<|endoftext|>", "[PAD]", "</s>", "##", "Ġ", "Ċ", "\0", "\ufeff", "\ufffd"),
    *("\x1b[2J", "\x1b]0;title\x07", "\x9b1A", "\r\n", "\n\r", "\u202e", "e\u0301", "İ", "ﬁ", "１"),
    *("👩\u200d👩\u200d👧", "'tis", " \n ", *(KNOWN[i : i + 9] for i in range(0, len(KNOWN), 9))),
)
TEXTS = st.text() | st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=9)).map("".join)
BUILT = {kind: build_tokenizer(kind, KNOWN) for kind in TOKENIZERS}


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=TEXTS)
@settings(deadline=None)
def test_a_text_comes_back_and_what_is_unknown_is_named(kind, text):
    tokenizer = BUILT[kind]
    if unknown := tokenizer.unknown_characters(text):
        with pytest.raises(TokenizerError) as error:
            tokenizer.encode(text)
        first = next(c for c in text if c not in KNOWN)
        assert repr(first) in str(error.value)
        assert f"U+{ord(first):04X}" in str(error.value)
        text = "".join(c for c in text if c not in unknown)
    unknown = tokenizer.unknown_words(text)
    words = list(split_words(text))
    assert "".join(words) == text
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == "".join(UNKNOWN if word in unknown else word for word in words)
    assert kind != "word" or unknown.total() == (ids == 0).sum()


@given(text=TEXTS)
def test_no_text_commands_a_terminal(text):
    shown = escape_controls(text)
    turns = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    commands = {
        c for c in text if c in turns or (unicodedata.category(c) == "Cc" and c not in "\t\n")
    }
    assert not commands & set(shown)
    spelled = {c: ascii(c)[1:-1] for c in commands}
    assert shown == "".join(spelled.get(c, c) for c in text)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
@settings(deadline=None)
def test_a_stream_gives_what_decode_and_the_library_give(kind, data):
    tokenizer = BUILT[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1)))
    streamed = "".join(tokenizer.decode_stream(iter(ids)))
    assert streamed == tokenizer.decode(np.array(ids, dtype=np.int64))
    library = hf.Tokenizer.from_str(tokenizer.to_json())
    assert streamed == library.decode(ids, skip_special_tokens=False)


def test_the_same_text_gives_the_same_ids_in_another_process():
    """String hashes differ between processes, and the library trains in several threads."""
    script = (
        "import sys; from shared.text.tokenizers import *\n"
        "text = sys.stdin.read()\n"
        "for kind in TOKENIZERS: print(build_tokenizer(kind, text).to_json())"
    )
    text = "".join(chr(65 + i * i % 23) + " " * (i % 3 == 0) for i in range(5000))
    there = run_python("-c", script, input=text, check=True).stdout
    here = [build_tokenizer(kind, text).to_json() for kind in TOKENIZERS]
    assert there.splitlines() == here


def test_every_letter_of_python_is_one_of_a_word():
    letters = "".join(filter(str.isalpha, map(chr, range(sys.maxunicode + 1))))
    split = pre_tokenizers.Split(hf.Regex(WORD), "isolated")
    assert len(split.pre_tokenize_str(letters)) == 1
