"""A grammar of corruptions of a checkpoint on disk.

`DAMAGES` has them by name. Each corrupts a freshly written checkpoint, and returns what its reader
must then do.
"""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np

from audits.reliability.bad_json import OTHER_PARTS, bomb_json, edit, edit_json
from audits.reliability.samples import Tensors, Victim, safetensors_bytes
from shared.checkpoints import parts
from shared.checkpoints import tensors as tensor_files

Rule = Literal["as saved", "as the bytes say", "refused"]
"""What a damaged checkpoint may load as, if it is not refused: exactly what was saved; exactly what
its bytes say, if its hashes were recomputed or it has none; or nothing."""

MODEL_FILES, JSON_FILES = ".safetensors", ".json"


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
        """One of the victim's files."""
        return self.rng.choice([name for name in self.victim.files if name.endswith(suffix)])

    def seal(self, weights: Tensors | None = None, moments: Tensors | None = None) -> None:
        """Write tensors and recompute all hashes, as an attacker who knows the format would."""
        files, checkpoint = self.victim.files, self.victim.checkpoint
        weights = checkpoint.weights if weights is None else weights
        if not self.victim.ours:
            (self.path / parts.MODEL).write_bytes(tensor_files.encode(weights, {}))
            return
        hashes = {
            name: parts.file_hash((self.path / name).read_bytes())
            for name in (parts.CONFIG, parts.TOKENIZER, parts.TRAINING)
            if name in files
        }
        if parts.OPTIMIZER in files:
            if moments is None:
                moments = parts.join_moments(checkpoint.moments or {})
            metadata = tensor_files.signed(moments, {})
            hashes[parts.OPTIMIZER] = metadata["sha256"]
            (self.path / parts.OPTIMIZER).write_bytes(tensor_files.encode(moments, metadata))
        (self.path / parts.MODEL).write_bytes(parts.encode_model(weights, hashes))


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


def in_header(change: Change) -> Damage:
    """Damage by changing the header of a safetensors file; the size before it is right."""

    def change_header(data: bytes, rng: Random) -> bytes:
        header, payload = split(data)
        return safetensors_bytes(change(header, rng), payload)

    return in_file(change_header, MODEL_FILES)


def in_json(change: Change) -> Damage:
    """Damage by changing a JSON file; half the time its hash is recomputed."""

    def damage(scene: Scene) -> Rule:
        rule = in_file(change, JSON_FILES)(scene)
        if not scene.victim.ours or scene.rng.random() < 0.5:
            return rule
        scene.seal()
        return "as the bytes say"

    return damage


def in_tensors(change: Callable[[Tensors, str, Random], Tensors], rule: Rule) -> Damage:
    """Damage by changing one of the weights or moments; the hashes are recomputed."""

    def damage(scene: Scene) -> Rule:
        moments = parts.join_moments(scene.victim.checkpoint.moments or {})
        of_model = not moments or scene.rng.random() < 0.6
        tensors = scene.victim.checkpoint.weights if of_model else moments
        changed = change(tensors, scene.rng.choice(list(tensors)), scene.rng)
        scene.seal(**{"weights" if of_model else "moments": changed})
        return rule

    return damage


# Bytes


def draw_place_in_file(data: bytes, rng: Random) -> int:
    """An offset: anywhere; or, in a safetensors file, in the size or at the border of a part."""
    borders = [0, 1, 8, len(data) // 2, len(data)]
    if int.from_bytes(data[:8], "little") < len(data):  # a JSON file does not begin with a size
        header, _ = split(data)
        offsets = [entry.get("data_offsets", [0, 0])[1] for entry in json.loads(header).values()]
        borders += [8 + len(header) + offset for offset in [0, *offsets]]
    border = rng.choice(borders) + rng.choice([-1, 0, 1])
    place = rng.choice([border, rng.randrange(len(data)), rng.randrange(min(len(data), 4096))])
    return min(max(place, 0), len(data) - 1)


PUNCTUATION = [bytes([byte]) for byte in b'0123456789"{}[],:.-e\n\0']


def at_place(change: Callable[[bytes, bytes, int, Random], bytes]) -> Damage:
    """Damage by replacing some bytes at an offset."""

    def change_file(data: bytes, rng: Random) -> bytes:
        place = draw_place_in_file(data, rng)
        return change(data[:place], data[place:], rng.randint(1, 40), rng)

    return in_file(change_file)


def flip_bits(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def change_size_of_header(data: bytes, rng: Random) -> bytes:
    size = int.from_bytes(data[:8], "little")
    sizes = [0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1, rng.getrandbits(64)]
    return rng.choice(sizes).to_bytes(8, "little") + data[8:]


# Headers


def pad_header(header: bytes, rng: Random) -> bytes:
    """Up to a megabyte of spaces or of metadata."""
    length = 2 ** rng.randint(10, 20)
    metadata = b'"__metadata__":{"a":"' + b"x" * length + b'"},'
    return rng.choice([header + b" " * length, header[:1] + metadata + header[1:]])


def move_offsets(header: bytes, rng: Random) -> bytes:
    """Tensors that overlap, leave holes, change places or end before they begin."""
    table = json.loads(header)
    entries = [entry for key, entry in table.items() if key != "__metadata__"]
    offsets = [entry["data_offsets"] for entry in entries]
    if offsets:  # of SGD there are none
        edit(offsets, rng)
    for entry, place in zip(entries, offsets, strict=False):
        entry["data_offsets"] = place
    return json.dumps(table).encode()


def edit_metadata(header: bytes, rng: Random) -> bytes:
    """Hashes removed, emptied, of other files, or of another kind."""
    table = json.loads(header)
    metadata = table.pop("__metadata__", None) or {"sha256": "", "files": "{}"}
    if rng.random() < 0.9:
        table["__metadata__"] = json.loads(edit_json(json.dumps(metadata).encode(), rng))
    return json.dumps(table).encode()


# Tensors


def exchange_tensor(tensors: Tensors, name: str, rng: Random) -> Tensors:
    """Remove the tensor, or change its name, shape or type."""
    array = tensors[name]
    others = {key: tensors[key] for key in tensors if key != name}
    names = ["", "x", name + ".", name.upper(), "h.9.w", "\x1b[2J", "transformer.h.9.ln_1.weight"]
    kinds = ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"]
    shaped = [array.T, array.ravel(), array[None], array[:0], array[:1], np.zeros((), array.dtype)]
    return rng.choice(
        [
            others,
            others | {rng.choice(names): array},
            tensors | {rng.choice(names): array},
            tensors | {name: array.astype(rng.choice(kinds))},
            *(tensors | {name: rng.choice(shaped).copy()} for _ in range(3)),
        ]
    )


def make_not_finite(tensors: Tensors, name: str, rng: Random) -> Tensors:
    array = tensors[name].copy()
    array.flat[rng.randrange(array.size)] = rng.choice([np.nan, np.inf, -np.inf])
    return tensors | {name: array}


# Tokenizers


def change_tokenizer(scene: Scene) -> Rule:
    """Change the structure of a tokenizer.json in one to three places, and recompute its hash.

    A reader that accepts such a file must be able to use it without losing any text.
    """
    rng, content = scene.rng, scene.victim.files.get(parts.TOKENIZER)
    if content is None:
        return in_json(edit_json)(scene)
    table = json.loads(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        die = rng.random()
        if die < 0.5:
            part = rng.choice(list(OTHER_PARTS))
            above, _, field = part.rpartition(".")
            holder = table[above] if above else table
            if isinstance(holder, dict):
                holder[field] = rng.choice(OTHER_PARTS[part])
        elif die < 0.75:
            size = len(table["model"].get("vocab", ()))
            table["added_tokens"] = [draw_token(size + i, rng) for i in range(rng.randint(1, 3))]
        else:
            edit(table["model"]["vocab"], rng)
    (scene.path / parts.TOKENIZER).write_text(json.dumps(table))
    if scene.victim.ours:
        scene.seal()
    return "as the bytes say"


def draw_token(next_id: int, rng: Random) -> dict[str, Any]:
    """A token that replaces another, leaves a gap, or swallows the spaces beside it."""
    contents = ["<x>", "", " ", "e", "he", "<|endoftext|>", "\n", "\0", "x" * 999]
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {
        "id": rng.choice([next_id, 0, max(next_id - 1, 0), next_id + 7, 2**31, 2**32 - 1]),
        "content": rng.choice(contents),
        **{flag: rng.random() < 0.4 for flag in flags},
    }


# Files


def remove_file(scene: Scene) -> Rule:
    """Remove a file. (From the hub, the tokenizer is optional; the others always are.)"""
    name = scene.pick()
    (scene.path / name).unlink()
    optional = (parts.OPTIMIZER, *parts.FOR_TRANSFORMERS)
    needless = name in optional or (name == parts.TOKENIZER and not scene.victim.ours)
    return "as the bytes say" if needless else "refused"


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


def replace_file(scene: Scene) -> Rule:
    """A link that leaves the directory, a pipe, a socket, a device, a directory."""
    path = scene.path / scene.pick()
    inside, outside = scene.path / "kept", scene.path.parent / "outside"
    outside.write_bytes(path.read_bytes())
    path.rename(inside)
    devices = ["/dev/zero", "/dev/stdin", "/proc/self/mem", "/"]
    broken = ["nothing", path.name, "../..", "\n"]
    links = [str(outside), inside.name, scene.rng.choice(devices), scene.rng.choice(broken)]
    kind = scene.rng.choice(["pipe", "socket", "directory", *links])
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))
        case "directory":
            path.mkdir()
        case link:
            path.symlink_to(link)
    return scene.unproven if kind == inside.name else "refused"  # links inside are valid


DAMAGES: dict[str, Damage] = {
    "truncated": at_place(lambda before, after, some, rng: before),
    "lengthened": in_file(lambda data, rng: data + rng.randbytes(rng.randint(1, 99))),
    "stretched": stretch_file,
    "bytes removed": at_place(lambda before, after, some, rng: before + after[some:]),
    "bytes repeated": at_place(lambda before, after, some, rng: before + after[:some] + after),
    "bytes inserted": at_place(
        lambda before, after, some, rng: before + rng.randbytes(some) + after
    ),
    "punctuation changed": at_place(
        lambda before, after, some, rng: before + rng.choice(PUNCTUATION) + after[1:]
    ),
    "bits flipped": in_file(flip_bits),
    "bits flipped in a header": in_header(flip_bits),
    "wrong size of header": in_file(change_size_of_header, MODEL_FILES),
    "huge header": in_header(pad_header),
    "header edited": in_header(edit_json),
    "header bombed": in_header(bomb_json),
    "offsets moved": in_header(move_offsets),
    "metadata edited": in_header(edit_metadata),
    "tensors exchanged": in_tensors(exchange_tensor, "as the bytes say"),
    "not finite": in_tensors(make_not_finite, "refused"),
    "JSON edited": in_json(edit_json),
    "JSON bombed": in_json(bomb_json),
    "tokenizer changed": change_tokenizer,
    "file missing": remove_file,
    "mixed with another": mix_checkpoints,
    "not a file": replace_file,
}
