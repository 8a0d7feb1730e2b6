"""The four tokenizers: any ids as a stream, the same ids in any process.

audits/reliability/strings.py tests that texts of all of Unicode come back.
"""

import subprocess
import sys

import numpy as np
import pytest
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from audits.reliability.strings import KNOWN
from shared.text.tokenizers import TOKENIZERS, WORD, build_tokenizer

BUILT = {kind: build_tokenizer(kind, KNOWN) for kind in TOKENIZERS}
ids_of = {
    kind: st.lists(st.integers(0, tokenizer.vocab_size - 1)) for kind, tokenizer in BUILT.items()
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
@settings(deadline=None)
def test_a_stream_gives_what_decode_and_the_library_give(kind, data):
    tokenizer = BUILT[kind]
    ids = data.draw(ids_of[kind])
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
    run = [sys.executable, "-c", script]
    there = subprocess.run(run, input=text, capture_output=True, text=True, check=True).stdout
    here = [build_tokenizer(kind, text).to_json() for kind in TOKENIZERS]
    assert there.splitlines() == here


@given(text=st.text(st.characters(categories=["L", "M", "N", "Pc", "Zs"])))
@settings(deadline=None)
def test_words_are_those_of_the_library(text):
    """Though a chunk that is surely one word is not shown to it."""
    tokenizer = build_tokenizer("word", text + "a")
    library = hf.Tokenizer.from_str(tokenizer.to_json())
    assert tokenizer.encode(text).tolist() == library.encode(text).ids


def test_every_letter_of_python_is_one_of_a_word():
    letters = "".join(filter(str.isalpha, map(chr, range(sys.maxunicode + 1))))
    split = pre_tokenizers.Split(hf.Regex(WORD), "isolated")
    assert len(split.pre_tokenize_str(letters)) == 1
