"""Strings from all of Unicode: what a tokenizer cannot give back it must say, and a terminal is
never commanded by a text."""

import contextlib
import io
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from audits.reliability.tally import Fault, Found, Tally, repeat
from shared.commands.sampling import write_samples
from shared.errors import TokenizerError
from shared.text.tokenizers import TOKENIZERS, UNKNOWN, Tokenizer, build_tokenizer, split_words

KNOWN = (
    "ROMEO: But, soft! what light through yonder window breaks?\r\n"
    "\tÇa déjà vu… naïve; Ωμέγα, 東京 и мир.\n\n   three  spaces\u00a0\u2028"
    "e\u0301 👩\u200d🚀 <unk> <|endoftext|> [PAD] \x00\x1c\x85\n"
)
"""What the tokenizers are built from: several scripts, and everything that is awkward."""

PLANES = [range(plane << 16, (plane + 1) << 16) for plane in range(17)]
SURROGATES = range(0xD800, 0xE000)


def _ranges(*pairs: tuple[int, int]) -> list[int]:
    return [point for first, last in pairs for point in range(first, last + 1)]


ALPHABETS: dict[str, Sequence[int]] = {
    "ASCII": range(128),
    "controls": _ranges((0, 0x1F), (0x7F, 0x9F)),
    "spaces and line ends": [*map(ord, "\t\n\v\f\r \x1c\x1d\x1e\x85\xa0\u1680\u2028\u2029\u3000")],
    "zero width": [*map(ord, "\u00ad\u034f\u200b\u200c\u200d\u2060\ufeff\ufe0f\u180e")],
    "directions": _ranges((0x202A, 0x202E), (0x2066, 0x2069), (0x200E, 0x200F), (0x590, 0x6FF)),
    "combining": _ranges((0x300, 0x36F), (0x20D0, 0x20F0), (0x1AB0, 0x1ACE), (0x93C, 0x94D)),
    "emoji": [*_ranges((0x1F300, 0x1F9FF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF)), 0x200D, 0xFE0F],
    "CJK": _ranges((0x3040, 0x30FF), (0x4E00, 0x4EFF), (0xAC00, 0xACFF)),
    "tags and private": _ranges((0xE0000, 0xE007F), (0xE000, 0xE0FF), (0xFFF0, 0xFFFF)),
}
FRAGMENTS = (
    *("<unk>", "<|endoftext|>", "[PAD]", "[UNK]", "<s>", "</s>", "<mask>", "##", "</w>", "Ġ", "Ċ"),
    *("\x1b[2J", "\x1b]0;title\x07", "\x1b[31m", "\x9b1A", "\r", "\b\b\b", "\x7f", "\r\n", "\n\r"),
    *("👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "e\u0301", "\u0065\u0301\u0323", "İ", "ß", "ﬁ", "Å"),
    *("\0", "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "'s", "'tis", "don't", " \n ", "１２３"),
)


def draw_string(rng: Random) -> str:
    """A string of up to a few hundred characters; now and then one word of twenty thousand."""
    if rng.random() < 0.005:
        return _character(rng) * rng.randint(1_000, 20_000)
    return "".join(_pieces(rng))


def _pieces(rng: Random) -> Iterator[str]:
    for _ in range(rng.randint(0, 8)):
        match rng.randrange(5):
            case 0:
                yield "".join(_character(rng) for _ in range(rng.randint(1, 12)))
            case 1 | 2:
                alphabet = ALPHABETS[rng.choice(list(ALPHABETS))]
                yield "".join(chr(rng.choice(alphabet)) for _ in range(rng.randint(1, 20)))
            case 3:
                yield rng.choice(FRAGMENTS)
            case _:
                start = rng.randrange(len(KNOWN))
                yield KNOWN[start : start + rng.randint(1, 40)]


def _character(rng: Random) -> str:
    """Any character of any plane, assigned or not; no half of a surrogate pair."""
    while (point := rng.choice(rng.choice(PLANES))) in SURROGATES:
        pass
    return chr(point)


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    return build_tokenizer(kind, KNOWN)


def check_tokenizer(kind: str, text: str) -> str:
    """Encode and decode a string. Returns how that ended.

    Raises `Fault` if part of the text is lost without an error.
    """
    tokenizer = tokenizer_of(kind)
    if kind == "char" and (unknown := [c for c in text if c not in KNOWN]):
        try:
            tokenizer.encode(text)
        except TokenizerError as error:
            if repr(unknown[0]) not in str(error) or f"U+{ord(unknown[0]):04X}" not in str(error):
                raise Fault("lost", f"{unknown[0]!r} is not named: {error}") from None
            known = "".join(c for c in text if c in KNOWN)
            expect_round_trip(tokenizer, known, known)
            return "said what is unknown"
        raise Fault("lost", f"{unknown[0]!r} is unknown, and was encoded")
    if kind == "word" and (unknown_words := tokenizer.unknown_words(text)):
        words = list(split_words(text))
        if "".join(words) != text:
            raise Fault("lost", f"the words of {text!r} are not the whole of it")
        shown = "".join(UNKNOWN if word in unknown_words else word for word in words)
        expect_round_trip(tokenizer, text, shown)
        if sum(unknown_words.values()) != int((tokenizer.encode(text) == 0).sum()):
            raise Fault("lost", f"{unknown_words} are not all that became {UNKNOWN}")
        return "said what is unknown"
    expect_round_trip(tokenizer, text, text)
    return "given back exactly"


def expect_round_trip(tokenizer: Tokenizer, text: str, expected: str) -> None:
    """Raise `Fault` unless a text becomes `expected`, at once and as a stream."""
    ids = tokenizer.encode(text)
    if not ((ids >= 0) & (ids < tokenizer.vocab_size)).all():
        raise Fault("lost", f"ids beyond the vocabulary for {text!r}")
    if (found := tokenizer.decode(ids)) != expected:
        raise Fault("lost", f"{text!r} became {found!r}")
    if (streamed := "".join(tokenizer.decode_stream(iter(ids.tolist())))) != expected:
        raise Fault("lost", f"{text!r} was streamed as {streamed!r}")


class Terminal(io.StringIO):
    """What a terminal is sent."""

    def isatty(self) -> bool:
        return True


def commands(c: str) -> bool:
    """Control characters but tab and newline, and those that turn the direction of writing."""
    turns = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return c in turns or (unicodedata.category(c) == "Cc" and c not in "\t\n")


def check_terminal(text: str, rng: Random) -> str:
    """Show a string as `sample` would. Returns how that ended.

    Raises `Fault` if what commands a terminal gets through to one, if anything else is changed, or
    if anything at all is where the output is no terminal.
    """
    cut = rng.randint(0, len(text))
    for out in (Terminal(), io.StringIO()):
        with contextlib.redirect_stdout(out):
            write_samples(iter([iter([text[:cut], text[cut:]])]), text)
        shown = out.getvalue()
        if not out.isatty():
            if shown != f"{text}{text}\n":
                raise Fault("lost", f"{text!r} was written as {shown!r}")
            continue
        if sent := sorted(set(filter(commands, shown))):
            raise Fault("wrongly accepted", f"a terminal is sent {sent!r}")
        spelled = "".join(ascii(c)[1:-1] if commands(c) else c for c in text)
        if shown != f"{spelled}{spelled}\n":
            raise Fault("lost", f"{text!r} is shown as {shown!r}")
    return "shown without controls"


def run_strings(count: int, seed: int, only: str | None = None) -> Iterator[Tally]:
    """Try `count` strings on each tokenizer and on a terminal; or `only` one case, as bpe-17."""
    for kind in (*TOKENIZERS, "terminal"):
        if only is None:
            yield run_kind(kind, range(count), seed)
        elif only.partition("-")[0] == kind:
            yield run_kind(kind, [int(only.partition("-")[2])], seed)


def run_kind(kind: str, cases: Sequence[int], seed: int) -> Tally:
    """Try strings on one tokenizer, or the terminal. String n is the same for all of them."""
    tally = Tally(f"strings: {kind}")
    for case in cases:
        tally.tried += 1
        try:
            tally.endings[try_string(kind, Random(f"{seed} {case}"))] += 1
        except Fault as fault:
            command = repeat("strings", seed, f"{kind}-{case}")
            tally.found.append(Found(fault.kind, str(fault), command))
    return tally


def try_string(kind: str, rng: Random) -> str:
    """Draw a string and try it. Returns how that ended; raises `Fault`."""
    text = draw_string(rng)
    try:
        return check_terminal(text, rng) if kind == "terminal" else check_tokenizer(kind, text)
    except (Fault, KeyboardInterrupt):
        raise
    except BaseException as error:  # a Rust panic is no Exception
        raise Fault("traceback", f"{type(error).__name__} for {text!r}: {error}") from None
