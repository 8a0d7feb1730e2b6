"""A grammar of corruptions of a checkpoint on disk. `DAMAGES` has them by name. Each corrupts a
freshly written checkpoint, and returns what its reader must then do."""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Literal

import numpy as np
from tokenizers import decoders, normalizers, pre_tokenizers, processors

from audits.reliability.samples import Victim
from conformance.shared.checkpoints.samples import Tensors
from shared.checkpoints import parts
from shared.checkpoints import tensors as tensor_files

Rule = Literal["as saved", "as the bytes say"]
"""What a damaged checkpoint may load as, if it is not refused: exactly what was saved; or exactly
what its bytes say, if its hashes were recomputed or it has none."""


@dataclass(frozen=True)
class Scene:
    """A victim written to `path`, and the files of other checkpoints."""

    path: Path
    victim: Victim
    others: list[Victim]
    rng: Random

    @property
    def unproven(self) -> Rule:
        """The demand on a reader if files were changed and no hash was recomputed."""
        return "as saved" if self.victim.ours else "as the bytes say"

    def pick(self, suffix: str = "") -> str:
        return self.rng.choice([name for name in self.victim.files if name.endswith(suffix)])

    def seal(self, weights: Tensors | None = None) -> Rule:
        """Write weights and recompute all hashes, as an attacker who knows the format would."""
        files, checkpoint = self.victim.files, self.victim.checkpoint
        weights = checkpoint.weights if weights is None else weights
        if not self.victim.ours:
            (self.path / parts.MODEL).write_bytes(tensor_files.encode(weights, {}))
            return "as the bytes say"
        sealed = parts.CONFIG, parts.TOKENIZER, parts.TRAINING, *parts.FOR_TRANSFORMERS
        content = {name: (self.path / name).read_bytes() for name in sealed if name in files}
        hashes = {name: parts.file_hash(data) for name, data in content.items()}
        if parts.OPTIMIZER in files:
            moments = parts.join_moments(checkpoint.moments or {})
            metadata = tensor_files.signed(moments, {})
            hashes[parts.OPTIMIZER] = metadata["sha256"]
            (self.path / parts.OPTIMIZER).write_bytes(tensor_files.encode(moments, metadata))
        (self.path / parts.MODEL).write_bytes(parts.encode_model(weights, hashes))
        return "as the bytes say"


Damage = Callable[[Scene], Rule]
Change = Callable[[bytes, Random], bytes]


def split(data: bytes) -> tuple[bytes, bytes]:
    """Header and payload of a safetensors file."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def in_file(change: Change, suffix: str = "") -> Damage:
    """Damage by changing one file."""

    def damage(scene: Scene) -> Rule:
        name = scene.pick(suffix)
        (scene.path / name).write_bytes(change(scene.victim.files[name], scene.rng))
        return scene.unproven

    return damage


# Bytes


def change_bytes(data: bytes, rng: Random) -> bytes:
    """Cut the file short, flip a bit, or remove, repeat or insert some bytes."""
    place = rng.randrange(rng.choice([len(data), len(data), min(len(data), 4096)]))
    before, after, some = data[:place], data[place:], rng.randint(1, 40)
    flipped = bytes([after[0] ^ 1 << rng.randrange(8)]) + after[1:]
    inserted = rng.choice([after[:some], rng.randbytes(some), b"\0", b'"', b"}", b"1"])
    ends = [b"", flipped, flipped, after[some:], inserted + after]
    return before + rng.choice(ends)


# JSON

ODD_VALUES: list[Any] = [
    *(0, 1, -1, 2**31, 2**32, 2**63, 2**64, 1e308, 0.5, None, True, False, "", "gpt2", "\ud800"),
    *([], {}, [[[]]], "x" * 999, "\x1b[2J\n", "../..", {"type": "Lowercase"}, "0" * 64, "null"),
    *("{}", "[]", '{"config.json": 7}', '{"../../etc/passwd": "0"}', '{"a":' * 1000),
]


def change_json(data: bytes, rng: Random) -> bytes:
    """Edit a value, replace it or the whole by a bomb, or write the whole twice."""
    table = json.loads(data)
    bomb = rng.choice(BOMBS)(rng.randint(18, 50_000))
    match rng.choice(["edit", "edit", "edit", "bomb", "bomb", "whole"]):
        case "edit":
            edit(table, rng)
            return json.dumps(table).encode()
        case "bomb":
            holder, key = draw_place(table, rng)
            holder[key] = mark = "\ue000bomb\ue000"
            text = json.dumps(table, ensure_ascii=False).encode()
            return text.replace(f'"{mark}"'.encode(), bomb)
        case _:
            return rng.choice([bomb, data + data, b"\xef\xbb\xbf" + data, b"[" + data + b"]"])


def edit(table: Any, rng: Random) -> None:
    """Change one value at any depth, move it, or remove it."""
    holder, key = draw_place(table, rng)
    other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match rng.choice(["remove", "rename", "exchange", "add", "set", "set", "set"]):
        case "remove":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[rng.choice([f"{key}x", f"{key}\0", "", "<unk>", "\n\n"])] = holder.pop(key)
        case "exchange":
            holder[key], holder[other] = holder[other], holder[key]
        case "add" if isinstance(holder[key], int):
            holder[key] += rng.choice([-4, -1, 1, 4, 2**62])
        case _:
            holder[key] = rng.choice(ODD_VALUES)


def draw_place(table: Any, rng: Random) -> tuple[Any, Any]:
    """An object or array at any depth, and a key or an index in it."""
    while True:
        key = rng.choice(list(table) if isinstance(table, dict) else range(len(table)))
        if not isinstance(table[key], dict | list) or not table[key] or rng.random() < 0.3:
            return table, key
        table = table[key]


def change_header(data: bytes, rng: Random) -> bytes:
    """Edit the header of a safetensors file; the size before it is right."""
    header, payload = split(data)
    changed = change_json(header, rng)
    return len(changed).to_bytes(8, "little") + changed + payload


def change_json_file(scene: Scene) -> Rule:
    """Edit a JSON file; half the time its hash is recomputed."""
    rule = in_file(change_json, ".json")(scene)
    return scene.seal() if scene.victim.ours and scene.rng.random() < 0.5 else rule


BOMBS: tuple[Callable[[int], bytes], ...] = (
    lambda n: b"[" * n,
    lambda n: b'{"a":' * n,
    lambda n: b"[" * n + b"]" * n,
    lambda n: b"[" + b"{}," * n + b"{}]",
    lambda n: b"{" + b",".join(b'"%d":%d' % (i, i) for i in range(n)) + b"}",
    lambda n: b"9" * n,
    lambda n: b"0." + b"3" * n,
    lambda n: b"-%d" % 2 ** (n % 99),
    lambda n: b'"%s"' % (rb"\u0041" * n),
    *(lambda n, text=text: text for text in (b"NaN", b"-Infinity", b"1e999", b'{"a":1,"a":2}')),
    *(lambda n, text=text: text for text in (rb'"\ud800"', b'"\x00"', b"\xff", b"nul", b"1,")),
)
"""JSON that breaks readers: huge, deeply nested, with duplicate keys, or invalid."""


# Tensors


def exchange_tensor(scene: Scene) -> Rule:
    """Remove, rename or change one of the weights; the hashes are recomputed."""
    rng, tensors = scene.rng, scene.victim.checkpoint.weights
    name = rng.choice(list(tensors))
    array, others = tensors[name], {key: tensors[key] for key in tensors if key != name}
    other_name = rng.choice(["", name + ".", name.upper(), "h.9.w", "\x1b[2J"])
    other_type = array.astype(rng.choice(["float16", "float32", "float64", "int32", "uint8"]))
    odd = np.full_like(array, rng.choice([np.nan, np.inf]))
    shaped = [array.T, array.ravel(), array[None], array[:0], array[:1], np.zeros((), array.dtype)]
    changed = [tensors | {name: each.copy()} for each in (odd, odd, other_type, *shaped)]
    renamed = [others, others | {other_name: array}, tensors | {other_name: array}]
    return scene.seal(rng.choice([*changed, *renamed]))


# Tokenizers


def components(module: ModuleType) -> list[Any]:
    """The default parts of a module of the library, as in tokenizer.json."""
    made = []
    for kind in vars(module).values():
        with contextlib.suppress(TypeError):  # no class, or one that needs arguments
            made.append(json.loads(kind().__getstate__()))
    return made


FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
OTHER_PARTS: dict[str, list[Any]] = {
    "truncation": [
        {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
    ],
    "normalizer": components(normalizers),
    "pre_tokenizer": [None, *components(pre_tokenizers)],
    "post_processor": components(processors),
    "decoder": [None, *components(decoders)],
    "added_tokens": [
        [{"id": i, "content": content, **dict.fromkeys(FLAGS, flag)}]
        for i in (0, 61, 10**6)
        for content in ("<x>", "", " ", "he", "<|endoftext|>")
        for flag in (True, False)
    ],
}
"""Other values for parts of a tokenizer.json that the library may accept."""


def change_tokenizer(scene: Scene) -> Rule:
    """Change a tokenizer.json in one to three places, and recompute its hash. A reader that accepts
    it must be able to use it without losing any text."""
    rng, content = scene.rng, scene.victim.files.get(parts.TOKENIZER)
    if content is None:
        return change_json_file(scene)
    table = json.loads(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if rng.random() < 0.5:
            edit(table["model"], rng)
        else:
            part = rng.choice(list(OTHER_PARTS))
            table[part] = rng.choice(OTHER_PARTS[part])
    (scene.path / parts.TOKENIZER).write_text(json.dumps(table))
    return scene.seal() if scene.victim.ours else "as the bytes say"


# Files


def stretch_file(scene: Scene) -> Rule:
    """A file of up to a terabyte, most of it a hole."""
    os.truncate(scene.path / scene.pick(), 2 ** scene.rng.randint(17, 40))
    return scene.unproven


def mix_checkpoints(scene: Scene) -> Rule:
    """Another model's configuration, tokenizer, weights or moments: one file or all but one."""
    other = scene.rng.choice(scene.others)
    common = [name for name in scene.victim.files if name in other.files]
    taken = scene.rng.sample(common, scene.rng.choice([1, max(1, len(common) - 1)]))
    if set(taken) == set(other.files):  # the result would be the other checkpoint, undamaged
        taken.pop()
    for name in taken:
        (scene.path / name).write_bytes(other.files[name])
    return scene.unproven if scene.victim.ours == other.ours else "as the bytes say"


DAMAGES: dict[str, Damage] = {
    "bytes changed": in_file(change_bytes),
    "stretched": stretch_file,
    "header changed": in_file(change_header, ".safetensors"),
    "JSON changed": change_json_file,
    "tensors exchanged": exchange_tensor,
    "tokenizer changed": change_tokenizer,
    "mixed with another": mix_checkpoints,
}
