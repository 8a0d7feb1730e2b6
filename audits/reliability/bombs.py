"""JSON that readers choke on: it nests without end, says things twice, or holds what is no number.

A bomb stands for one value of a JSON file, or for the whole of it.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Bomb = Callable[[Random], bytes]

MOST = 2**20
"""Bytes of the largest bombs."""


def _many(rng: Random) -> int:
    return 1 << rng.randint(4, MOST.bit_length() - 3)


BOMBS: tuple[Bomb, ...] = (
    lambda rng: b"[" * _many(rng),
    lambda rng: b'{"a":' * (_many(rng) // 4),
    lambda rng: b"[" * (n := rng.randint(50, 50_000)) + b"]" * n,
    lambda rng: b"[" + b"0," * _many(rng) + b"0]",
    lambda rng: b"[" + b"{}," * _many(rng) + b"{}]",
    lambda rng: b"{" + b",".join(b'"%d":%d' % (i, i) for i in range(_many(rng) // 16)) + b"}",
    lambda rng: b"9" * _many(rng),
    lambda rng: b"-" + b"9" * rng.randint(18, 25),
    lambda rng: b"0." + b"3" * _many(rng),
    lambda rng: rng.choice(
        [b"%d" % (sign * 2**n) for n in (31, 32, 63, 64, 99) for sign in (1, -1)]
    ),
    lambda rng: rng.choice([b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999"]),
    lambda rng: b'{"a":1,"a":2}',
    lambda rng: rng.choice([rb'"\ud800"', rb'"\udfff\ud800"', rb'"\u0000"', b'"\x00"', rb'"\x"']),
    lambda rng: (
        b'"' + rng.choice([b"a", "é".encode(), b"\\u0041", b"\\\\"]) * (_many(rng) // 8) + b'"'
    ),
    lambda rng: b"\xff" + rng.randbytes(rng.randint(0, 9)),
    lambda rng: b" " * _many(rng),
    lambda rng: rng.choice(
        [b"nul", b"undefined", b"// 1", b"/* */ 1", b"'a'", b"01", b"+1", b"1,"]
    ),
)
WRAPPINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"\xef\xbb\xbf" + data,  # a byte order mark
    lambda data: data.decode().encode("utf-16"),
    lambda data: data + b"\0",
    lambda data: data + data,
    lambda data: b"[" + data + b"]",
    lambda data: b'{"a":1,"a":2,' + data.lstrip()[1:],
    lambda data: data.rstrip()[:-1] + b"," + data.lstrip()[1:],  # every key twice
)
_MARK = "\ue000bomb\ue000"


def place(bomb: Bomb, data: bytes, rng: Random) -> bytes:
    """`data`, a JSON object, with a bomb in the place of a value, or as a whole; or wrapped."""
    draw = rng.random()
    if draw < 0.2:
        return rng.choice(WRAPPINGS)(data)
    if draw < 0.3:
        return bomb(rng)
    table = json.loads(data)
    holder: Any = table
    while True:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.3:
            break
        holder = holder[key]
    holder[key] = _MARK
    return json.dumps(table, ensure_ascii=False).encode().replace(f'"{_MARK}"'.encode(), bomb(rng))
