"""Strings from all of Unicode: a tokenizer must name what it cannot restore, and no text may
control a terminal."""

import ast
import contextlib
import io
import unicodedata
from functools import cache, partial
from random import Random

from audits.reliability import Fault, Result, attempt
from shared.commands.options import UsageError
from shared.commands.sampling import write_samples
from shared.commands.terminal import say
from shared.errors import TokenizerError
from shared.text.tokenizers import TOKENIZERS, UNKNOWN, Tokenizer, build_tokenizer, split_words

KNOWN = (
    "ROMEO: But, soft! what light through yonder window breaks?\r\n"
    "\tÇa déjà vu… naïve; Ωμέγα, 東京 и мир.\n\n   three  spaces\u00a0\u2028"
    "e\u0301 👩\u200d🚀 <unk> <|endoftext|> [PAD] \x00\x1c\x85\n"
)
"""The text that the tokenizers are built from: several scripts, and all awkward characters."""

RANGES = (
    *((0, 0xD7FF), (0xE000, 0x10FFFF), (0xE000, 0x10FFFF)),  # all planes, without surrogates
    *((0, 0x7F), (0, 0x1F), (0x7F, 0xA0)),  # ASCII, control characters
    *((0x2000, 0x206F), (0x0590, 0x06FF)),  # spaces, line ends, zero width, writing directions
    *((0x0300, 0x036F), (0x20D0, 0x20F0), (0x1AB0, 0x1ACE), (0x093C, 0x094D)),  # combining marks
    *((0x1F300, 0x1F9FF), (0x1F1E6, 0x1F1FF), (0xFE00, 0xFE0F)),  # emoji
    *((0x3040, 0x30FF), (0x4E00, 0x4EFF), (0xAC00, 0xACFF)),  # CJK
    *((0xE0000, 0xE007F), (0xE000, 0xE0FF), (0xFFF0, 0xFFFF)),  # tags, private, specials
)
"""Alphabets, each as its first and its last code point."""

FRAGMENTS = (
    *("<unk>", "<|endoftext|>", "[PAD]", "[UNK]", "<s>", "</s>", "<mask>", "##", "</w>", "Ġ", "Ċ"),
    *("\x1b[2J", "\x1b]0;title\x07", "\x1b[31m", "\x9b1A", "\r", "\b\b\b", "\x7f", "\r\n", "\n\r"),
    *("👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "e\u0301", "\u0065\u0301\u0323", "İ", "ß", "ﬁ", "Å"),
    *("\0", "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "'s", "'tis", "don't", " \n ", "１２３"),
)


def try_strings(count: int, seed: int, case: str | None) -> list[Result]:
    """Try strings on each tokenizer and on a terminal; or only one, as `bpe:'text'`."""
    kinds = (*TOKENIZERS, "terminal")
    if case is not None:
        kind, _, literal = case.partition(":")
        with contextlib.suppress(ValueError, SyntaxError):
            if kind in kinds and isinstance(text := ast.literal_eval(literal), str):
                return [try_string(kind, text)]
        raise UsageError(
            f"there is no case {case!r} of strings: it is a tokenizer or terminal, a colon, and a "
            f"string as Python spells it"
        )
    say("encoding and decoding strings")
    rng = Random(seed)
    texts = [draw_string(rng) for _ in range(count)]
    return [try_string(kind, text) for kind in kinds for text in texts]


def draw_string(rng: Random) -> str:
    """Up to a few hundred characters; now and then one of them thousands of times."""
    if rng.random() < 1 / 30:
        return chr(rng.randint(*rng.choice(RANGES))) * rng.randint(1_000, 20_000)
    return "".join(draw_piece(rng) for _ in range(rng.randint(0, 8)))


def draw_piece(rng: Random) -> str:
    """Characters of an alphabet, a piece of the text that is known, or something awkward."""
    alphabet, start = rng.choice(RANGES), rng.randrange(len(KNOWN))
    drawn = "".join(chr(rng.randint(*alphabet)) for _ in range(rng.randint(1, 20)))
    return rng.choice([drawn, drawn, KNOWN[start : start + len(drawn)], rng.choice(FRAGMENTS)])


def try_string(kind: str, text: str) -> Result:
    """Try a string on one tokenizer, or on the terminal."""
    check = check_terminal if kind == "terminal" else partial(check_tokenizer, kind)
    return attempt(kind, f"{kind}:{text!a}", lambda: check(text))


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    return build_tokenizer(kind, KNOWN)


def check_tokenizer(kind: str, text: str) -> str:
    """Encode and decode a string. Returns the outcome.

    Raises `Fault` if part of the text is lost without an error.
    """
    tokenizer = tokenizer_of(kind)
    if kind == "char" and (unknown := [c for c in text if c not in KNOWN]):
        try:
            tokenizer.encode(text)
        except TokenizerError as error:
            if repr(unknown[0]) not in str(error) or f"U+{ord(unknown[0]):04X}" not in str(error):
                raise Fault(f"{unknown[0]!r} is not named: {error}") from None
            known = "".join(c for c in text if c in KNOWN)
            expect_round_trip(tokenizer, known, known)
            return "said what is unknown"
        raise Fault(f"{unknown[0]!r} is unknown, and was encoded")
    if kind == "word" and (unknown_words := tokenizer.unknown_words(text)):
        words = list(split_words(text))
        if "".join(words) != text:
            raise Fault(f"the words of {text!r} are not the whole of it")
        shown = "".join(UNKNOWN if word in unknown_words else word for word in words)
        expect_round_trip(tokenizer, text, shown)
        if sum(unknown_words.values()) != int((tokenizer.encode(text) == 0).sum()):
            raise Fault(f"{unknown_words} are not all that became {UNKNOWN}")
        return "said what is unknown"
    expect_round_trip(tokenizer, text, text)
    return "given back exactly"


def expect_round_trip(tokenizer: Tokenizer, text: str, expected: str) -> None:
    """Raise `Fault` unless a text becomes `expected`, both at once and as a stream."""
    ids = tokenizer.encode(text)
    if not ((ids >= 0) & (ids < tokenizer.vocab_size)).all():
        raise Fault(f"ids beyond the vocabulary for {text!r}")
    if (found := tokenizer.decode(ids)) != expected:
        raise Fault(f"{text!r} became {found!r}")
    if (streamed := "".join(tokenizer.decode_stream(iter(ids.tolist())))) != expected:
        raise Fault(f"{text!r} was streamed as {streamed!r}")


def commands(c: str) -> bool:
    """Control characters except tab and newline, and those that change the writing direction."""
    turns = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return c in turns or (unicodedata.category(c) == "Cc" and c not in "\t\n")


def check_terminal(text: str) -> str:
    """Show a string, in two pieces, as `sample` would. Returns the outcome.

    Raises `Fault` if control characters reach a terminal, if anything else is changed, or if
    anything at all is changed when the output is not a terminal.
    """
    middle = len(text) // 2
    spelled = "".join(ascii(c)[1:-1] if commands(c) else c for c in text)
    for is_terminal, expected in ((True, spelled), (False, text)):
        out = io.StringIO()
        out.isatty = lambda answer=is_terminal: answer  # type: ignore[method-assign, misc]
        with contextlib.redirect_stdout(out):
            write_samples(iter([iter([text[:middle], text[middle:]])]), text)
        shown = out.getvalue()
        if is_terminal and (sent := sorted(set(filter(commands, shown)))):
            raise Fault(f"a terminal is sent {sent!r}")
        if shown != f"{expected}{expected}\n":
            raise Fault(f"{text!r} is shown as {shown!r}")
    return "shown without controls"
