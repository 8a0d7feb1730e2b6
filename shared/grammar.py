"""The grammar of the playlets: a comedy of wizards, who speak half in verse and half in spells.

What stands in braces is replaced by one of its alternatives, `{^line}` by one with a capital
letter; the number at an alternative is its weight. `shared.playlets` reads these tables and draws
scenes from them. No text can come about in two ways, which a test holds: so the weights give each
scene its exact probability. Spells carry many nats per letter and plain verse few; their share sets
the floor.
"""

Weights = dict[str, float]


def _evenly(words: str) -> Weights:
    return dict.fromkeys(words.split(), 1.0)


# Words, the most common first. After a slash: the plural of a noun, or a verb with "he", where it
# is not the word with an "s". Nouns and adjectives begin with a consonant, for the sake of "a".
WORDS = {
    "noun": """
        moon star cat king sea/seas bell crow ship rose cup dog fox/foxes toad hat key ring pig pie
        tree door book lute bone tooth/teeth nose wig witch/witches
        """,
    "adjective": "red cold old wild sweet blue proud wise soft bold fat kind mad sly",
    "transitive": "love keep find fear hide want bring paint mock curse guard feed",
    "intransitive": "sleep sing fall dance weep sink hum float",
}

RULES: dict[str, Weights] = {
    # Noun phrases: .one and .many agree with their verbs.
    "phrase": {"{phrase.one}": 3, "{phrase.many}": 1},
    "phrase.one": {"{the.one} {noun.one}": 2, "{the.one} {adjective} {noun.one}": 2, "{name}": 3},
    "phrase.many": {"{the.many} {noun.many}": 1, "{the.many} {adjective} {noun.many}": 1},
    "the.one": {"the": 4, "a": 4, "my": 3, "your": 2, "his": 2, "her": 2, "no": 1},
    "the.many": {"the": 4, "my": 3, "your": 2, "all": 2, "two": 2, "ten": 1},
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
    "line": {"{verse}": 2, '"{^spell}!"': 3},
    "verse": {
        "{^phrase.one} {intransitive.one} {where}{mark}": 3,
        "{^phrase.many} {intransitive.many} {where}{mark}": 2,
        "{^phrase.one} {transitive.one} {phrase}{mark}": 3,
        "{^phrase.many} {transitive.many} {phrase}{mark}": 2,
        "{^phrase.one} is {adjective} as {phrase.one}{mark}": 2,
        "I {transitive.many} {phrase}{mark}": 2,
        "O {adjective} {noun.one}, {transitive.many} {phrase}!": 2,
        "Who {transitive.one} {phrase}?": 1,
        "By {name} and {name}, I {transitive.many} {phrase}!": 2,
    },
    "where": {"{near} {phrase}": 1},
    "near": {"in": 3, "by": 3, "under": 2, "near": 2, "with": 2},
    "mark": {".": 3, ";": 2, "!": 1},
    "place": {"the {noun.one} of {name}": 2, "a {adjective} {noun.one} near {name}": 1},
    "hour": {"by day": 1, "by night": 1, "at dusk": 1, "at dawn": 1},
}

# The company. A scene has two of them, a couple whose names begin with neighbouring letters.
COUPLES = (("Ann", "Ben"), ("Cal", "Dot"), ("Eve", "Finn"))
PRONOUN = {"Ann": "her", "Ben": "his", "Cal": "his", "Dot": "her", "Eve": "her", "Finn": "his"}

# For every member of the company as $A, with the other of the couple as $B. Nobody speaks before
# entering, the two take turns, and each leaves once.
SCENES: dict[str, Weights] = {
    "$A opens": {
        "Scene: {place}, {hour}.\nEnter $A and $B.\n{$A speaks}": 1,
        "Scene: {place}, {hour}.\nEnter $A.\n$A: {speech}\nEnter $B.\n{$B speaks}": 1,
    },
    "$A speaks": {
        "$A: {speech}\n{$B speaks}": 5,
        "$A: {speech}\n[$A {transitive.one} $HIS {noun.one}.]\n{$B speaks}": 1,
        "$A: {speech}\nExeunt.\n\n": 1,
        "$A: {speech}\nExit $A.\n$B: {speech}\nExit $B.\n\n": 1,
    },
}
