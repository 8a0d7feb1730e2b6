"""The four tokenizers: any ids as a stream, the same ids in any process, panics of the library.

audits/reliability/strings.py tests that texts of all of Unicode come back.
"""

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


class PanicException(BaseException):
    """Like a panic of the library, which is not an `Exception`."""


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


def test_what_the_library_quotes_is_shown_without_control_characters():
    text = json.dumps(json.loads(BUILT["char"].to_json()) | {"version": "\x1b[2J"})
    with pytest.raises(TokenizerError, match=r"\\x1b") as caught:
        Tokenizer.from_json(text)
    assert str(caught.value).isprintable()
