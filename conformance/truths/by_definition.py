"""The references for shared/: independent definitions of random numbers, batches and manifests.
Nothing here calls the functions under test. Philox is implemented from its paper, batches and
manifests from the specification of shared/, so that they cannot share its mistakes."""

from pathlib import Path

import numpy as np

from shared.checkpoints.tensors import Tensors
from shared.config import GPTConfig

WEIGHTS, BATCHES, SAMPLES, PLAYLETS = 0, 1, 2, 3
WORD = 2**64


def same_bits(found: object, expected: np.ndarray, what: str) -> None:
    """Check that an array has the same precision, shape and bits: −0 is not 0, and NaN is NaN."""
    __tracebackhide__ = True
    assert isinstance(found, np.ndarray), f"{what} is a {type(found).__name__}, not an array"
    np.testing.assert_array_equal(found, expected, what, strict=True)
    assert found.tobytes() == expected.tobytes(), f"{what} has other signs of 0, or other NaN"


def same_tensors(found: Tensors, expected: Tensors, what: str = "") -> None:
    """Check that the names, their order, and the bits under each are the same."""
    __tracebackhide__ = True
    assert list(found) == list(expected), f"{what}: other names, or in another order"
    for name, value in expected.items():
        same_bits(found[name], value, f"{what} {name}".strip())


def philox(seed: int, stream: int, position: int, count: int) -> list[float]:
    """Uniforms in [0, 1): the upper 53 bits of each word."""
    return [(word >> 11) / 2**53 for word in philox_words(seed, stream, position, 0, count)]


def philox_words(seed: int, stream: int, position: int, part: int, count: int) -> list[int]:
    """Words of 64 bits from Philox-4x64-10 (Salmon et al. 2011, §3.3), in integer arithmetic. The
    key is (seed, stream). The counter has four words: NumPy counts in the first, from 1; `position`
    is the third, `part` the last."""
    words: list[int] = []
    for block in range(1, -(-count // 4) + 1):
        x, key = [block, 0, position, part], [seed, stream]
        for _ in range(10):
            a, b = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
            x = [b // WORD ^ x[1] ^ key[0], b % WORD, a // WORD ^ x[3] ^ key[1], a % WORD]
            key = [(key[0] + 0x9E3779B97F4A7C15) % WORD, (key[1] + 0xBB67AE8584CAA73B) % WORD]
        words += x
    return words[:count]


def dice(seed: int, stream: int, position: int = 0) -> np.random.Generator:
    """NumPy's generator over the same Philox, for numbers other than uniforms."""
    key = np.array([seed, stream], dtype=np.uint64)
    counter = np.array([0, 0, position, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def windows(
    ids: np.ndarray, batch_size: int, block_size: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """The batch of a step: windows at random positions, and the same shifted by one token."""
    last = len(ids) - block_size - 1  # one more token must follow: the last target
    starts = dice(seed, BATCHES, step).integers(0, last, size=batch_size, endpoint=True)
    tokens = np.array([ids[start : start + block_size] for start in starts])
    targets = np.array([ids[start + 1 : start + 1 + block_size] for start in starts])
    return tokens, targets


# Names and shapes in the sizes of cases.BASE: V 37, T 11, C 24, F 40. A letter marks a tensor that
# only models with that option have: b biases, l learned positions, p pre-norm, u an untied head.
MANIFEST = Path(__file__).with_name("manifest.txt").read_text(encoding="utf-8")


def manifest(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """The tensors of a model in the sizes of cases.BASE, in the order of the data flow."""
    letters = {
        "-": True,
        "b": config.bias,
        "l": config.position == "learned",
        "p": config.norm == "pre",
        "u": not config.tie_weights,
    }
    first, block, last = MANIFEST.split("\n\n")
    blocks = [block.replace(".N.", f".{i}.") for i in range(config.n_layer)]
    lines = [line.split() for line in "\n".join([first, *blocks, last]).split("\n") if line]
    present = (line for line in lines if all(letters[letter] for letter in line[0]))
    return {name: tuple(map(int, sizes)) for _, name, *sizes in present}
