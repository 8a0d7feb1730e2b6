"""The grammar of the playlets: a comedy of wizards, who would rather cast spells than converse.

Text in braces is replaced by one of its alternatives, `{^line}` by one with a capital
letter; the number at an alternative is its weight. playlets.py reads these tables and draws scenes
from them. No scene can come about in two ways, which a test holds; so the weights give each
its exact probability.

The tables are kept small, and what depends on what is kept close together, so that a model with a
context of 64 characters comes near the floor in 2,000 steps: what it lacks then, it lacks because
every window of the validation begins in the middle of something.
"""

Weights = dict[str, int | float]


def _evenly(words: str) -> Weights:
    return dict.fromkeys(words.split(), 1.0)


# Words, the most common first. After a slash: the plural of a noun, or a verb with "he", where it
# is not the word with an "s". Nouns and adjectives begin with a consonant, for the sake of "a".
WORDS = {
    "noun": """
        moon star cat king bell crow ship rose cup fox/foxes toad hat key ring pie tooth/teeth wig
        witch/witches
        """,
    "adjective": "red cold wild sweet blue proud soft fat mad",
    "transitive": "love keep fear hide want bring mock curse",
    "intransitive": "sleep sing fall dance weep",
}

RULES: dict[str, Weights] = {
    # Noun phrases: .one and .many agree with their verbs.
    "phrase": {"{phrase.one}": 3, "{phrase.many}": 1},
    "phrase.one": {"{the.one} {noun.one}": 2, "{the.one} {adjective} {noun.one}": 1, "{name}": 2},
    "phrase.many": {"{the.many} {noun.many}": 2, "{the.many} {adjective} {noun.many}": 1},
    "the.one": {"the": 2, "a": 2, "my": 1, "your": 1, "no": 1},
    "the.many": {"the": 2, "my": 1, "your": 1, "two": 1, "six": 1},
    # Names and words of magic are syllables, drawn evenly. Whether a word goes on depends on no
    # more than its last letter, so that a reader who sees one letter knows nearly all there is.
    "name": {"{^syllable}{rest}": 1},
    "word": {"{syllable}": 1, "{syllable}{rest}": 4},
    "rest": {"{coda}": 2, "{syllable}": 1, "{syllable}{rest}": 2},
    "syllable": {"{onset}{vowel}": 1},
    "onset": _evenly("b d f h j l m n r s t v w"),
    "vowel": _evenly("a e i o u y"),
    "coda": _evenly("b d l m n r s v"),
    "spell": {"{word}": 1, "{word} {spell}": 3},
    # Verse: a line ends in a mark, a speech has one line or more.
    "speech": {"{line}": 1, "{line}\n{speech}": 2},
    "line": {"{verse}": 1, '"{^spell}!"': 2},
    "verse": {
        "{^phrase.one} {transitive.one} {phrase}{mark}": 4,
        "{^phrase.many} {transitive.many} {phrase}{mark}": 2,
        "{^phrase.one} {intransitive.one} {near} {phrase}{mark}": 3,
        "{^phrase.many} {intransitive.many} {near} {phrase}{mark}": 1,
        "I {transitive.many} {phrase}{mark}": 3,
        "By {name} and {name}, I {transitive.many} {phrase}!": 2,
        "O {adjective} {noun.one}, {transitive.many} {phrase}!": 2,
    },
    "near": {"in": 1, "by": 1, "with": 1},
    "mark": {".": 3, ";": 2, "!": 1},
    "place": {"the {noun.one} of {name}": 2, "a {adjective} {noun.one} near {name}": 1},
    "hour": {"by day": 1, "by night": 1, "at dusk": 1, "at dawn": 1},
}

# The company. A scene has two of them, a couple whose names begin with neighbouring letters.
COUPLES = (("Ann", "Ben"), ("Cal", "Dot"), ("Eve", "Finn"))
PRONOUN = {"Ann": "her", "Ben": "his", "Cal": "his", "Dot": "her", "Eve": "her", "Finn": "his"}

# For every member of the company as $A, with the other of the couple as $B. No one speaks before
# entering, the two take turns, and each leaves once.
SCENES: dict[str, Weights] = {
    "$A opens": {
        "Scene: {place}, {hour}.\nEnter $A and $B.\n{$A speaks}": 1,
        "Scene: {place}, {hour}.\nEnter $A.\n$A: {speech}\nEnter $B.\n{$B speaks}": 1,
    },
    "$A speaks": {
        "$A: {speech}\n{$B speaks}": 7,
        "$A: {speech}\n[$A {transitive.one} $HIS {noun.one}.]\n{$B speaks}": 1,
        "$A: {speech}\nExeunt.\n\n": 1,
        "$A: {speech}\nExit $A.\n$B: {speech}\nExit $B.\n\n": 1,
    },
}
