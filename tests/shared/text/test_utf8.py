"""A text as bytes against the same text as a str, in slices so short that every seam is crossed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text import chunks as chunking
from shared.text import utf8
from shared.text.chunks import chunks
from shared.text.utf8 import Utf8, check_utf8, first_of, slices

TEXTS = st.text(st.sampled_from("ab ,\né€👩🏽\u200d"), max_size=60)


@pytest.fixture(scope="module", autouse=True)
def short():
    """Hypothesis would not undo it after each example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utf8, "SLICE", 5)
        patch.setattr(chunking, "CHUNK", 4)
        patch.setattr(chunking, "LONGEST", 6)
        yield


@given(TEXTS, st.integers(0, 60))
def test_utf8_is_the_same_text(text, offset):
    same, offset = Utf8(text.encode()), min(offset, len(text))
    assert (str(same), len(same), bytes(same.encode())) == (text, len(text), text.encode())
    assert tuple(map(str, same.split(offset))) == (text[:offset], text[offset:])
    for either in (text, same):
        found = list(slices(either))
        assert "".join(part for _, part in found) == text
        assert all(text.startswith(part, start) for start, part in found)
        if text:
            assert first_of(either, {text[-1]}) == text.index(text[-1])


@given(TEXTS, st.sampled_from(["word", "bpe"]))
def test_a_text_is_cut_at_the_same_places_however_it_arrives(text, kind):
    assert list(chunks(Utf8(text.encode()), kind)) == whole(text, kind) == list(chunks(text, kind))


def whole(text, kind):
    """The rule of `chunks`, for a text that is all there."""
    parts, start = [], 0
    while len(text) - start > 4:
        latest = min(len(text), start + 10) if kind == "bpe" else len(text)
        seam = chunking._SEAMS[kind].search(text, start + 4, latest)
        end = seam.start() if seam else latest
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


@given(st.binary(max_size=30) | TEXTS.map(str.encode))
def test_what_is_no_utf8_is_refused_where_it_is_wrong(data):
    assert place_of_error(check_utf8, data) == place_of_error(bytes.decode, data)


def place_of_error(read, data):
    try:
        read(data)
    except UnicodeDecodeError as error:
        return error.start
    return None
