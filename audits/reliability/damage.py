"""The ways in which a checkpoint on disk can be wrong: a grammar of corruptions.

Each function takes a `Scene`, a checkpoint freshly written, and spoils it. It returns what is then
demanded of its reader.
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

from audits.reliability.bombs import BOMBS, place
from audits.reliability.rogues import rogue
from audits.reliability.samples import Tensors, safetensors_bytes
from shared.checkpoints import parts
from shared.checkpoints import tensors as tensor_files
from shared.checkpoints.checkpoint import Checkpoint

Rule = Literal["as saved", "as the bytes say", "refused"]
"""Besides being refused, what a damaged checkpoint may be: exactly what was saved; or, where its
hashes were recomputed or there were none, exactly what its bytes say; or nothing else at all."""


@dataclass(frozen=True)
class Victim:
    """A checkpoint that is sound."""

    name: str
    files: dict[str, bytes]
    checkpoint: Checkpoint
    ours: bool
    """It has hashes. A file from the hub has none."""

    @property
    def unproven(self) -> Rule:
        """What is demanded when files were changed and no hash was recomputed."""
        return "as saved" if self.ours else "as the bytes say"


@dataclass(frozen=True)
class Scene:
    """A victim written to `path`, and the files of other checkpoints."""

    path: Path
    victim: Victim
    others: list[Victim]
    rng: Random

    def pick(self, *suffixes: str) -> str:
        """One of the victim's files: of these kinds, or any."""
        return self.rng.choice([n for n in self.victim.files if n.endswith(suffixes or ("",))])

    def write(self, name: str, content: bytes) -> None:
        (self.path / name).write_bytes(content)

    def seal(self, weights: Tensors | None = None, moments: Tensors | None = None) -> None:
        """Recompute all hashes, as an attacker who knows the format would."""
        if not self.victim.ours:
            if weights is not None:
                self.write(parts.MODEL, tensor_files.encode(weights, {}))
            return
        names = (parts.CONFIG, parts.TOKENIZER, parts.TRAINING)
        hashes = {
            name: parts.file_hash((self.path / name).read_bytes())
            for name in names
            if name in self.victim.files
        }
        if parts.OPTIMIZER in self.victim.files:
            if moments is None:
                moments = parts.join_moments(self.victim.checkpoint.moments or {})
            metadata = tensor_files.signed(moments, {})
            hashes[parts.OPTIMIZER] = metadata["sha256"]
            self.write(parts.OPTIMIZER, tensor_files.encode(moments, metadata))
        tensors = self.victim.checkpoint.weights if weights is None else weights
        self.write(parts.MODEL, parts.encode_model(tensors, hashes))


def split(data: bytes) -> tuple[bytes, bytes]:
    """Header and payload of a safetensors file."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


Damage = Callable[[Scene], Rule]


# Bytes


def truncated(scene: Scene) -> Rule:
    """At every kind of place: in the size, in the header, at a tensor's border, in the middle."""
    name = scene.pick()
    data = scene.victim.files[name]
    places = [0, 1, len(data) // 2, len(data) - 1, scene.rng.randrange(len(data))]
    if name.endswith(".safetensors"):
        header, _ = split(data)
        start = 8 + len(header)
        table = json.loads(header)
        borders = [table[key]["data_offsets"][1] for key in table if key != "__metadata__"]
        places += [7, 8, 9, start - 1, start, start + 1]
        places += [start + border + scene.rng.choice([-1, 0, 1]) for border in borders]
    scene.write(name, data[: min(scene.rng.choice(places), len(data) - 1)])
    return scene.victim.unproven


def lengthened(scene: Scene) -> Rule:
    """Something after the end; or a file of a terabyte, most of it a hole."""
    name = scene.pick()
    if scene.rng.random() < 0.5:
        scene.write(name, scene.victim.files[name] + scene.rng.randbytes(scene.rng.randint(1, 99)))
    else:
        os.truncate(scene.path / name, 2 ** scene.rng.randint(17, 40))
    return scene.victim.unproven


def bits_flipped(scene: Scene) -> Rule:
    """One to eight of them, all in the header or all in the payload."""
    name = scene.pick()
    data = bytearray(scene.victim.files[name])
    places = range(len(data))
    if name.endswith(".safetensors"):
        start = len(data) - len(split(bytes(data))[1])
        places = scene.rng.choice([range(start), range(start, len(data)) or range(start)])
    for _ in range(scene.rng.choice([1, 1, 1, 2, 8])):
        data[scene.rng.choice(places)] ^= 1 << scene.rng.randrange(8)
    scene.write(name, bytes(data))
    return scene.victim.unproven


def spliced(scene: Scene) -> Rule:
    """Bytes that stand twice, are missing, were put in, or are other punctuation."""
    name = scene.pick()
    rng, data = scene.rng, bytearray(scene.victim.files[name])
    at = rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 4096))
    length = rng.randint(1, 40)
    match rng.randrange(4):
        case 0:
            del data[at : at + length]
        case 1:
            data[at:at] = data[at : at + length]
        case 2:
            data[at:at] = rng.randbytes(length)
        case _:
            data[at] = rng.choice(b'0123456789"{}[],:.-e\n\0')
    scene.write(name, bytes(data))
    return scene.victim.unproven


def wrong_size_of_header(scene: Scene) -> Rule:
    """The first eight bytes of a safetensors file: off by one, absurd, anything."""
    name = scene.pick(".safetensors")
    data = scene.victim.files[name]
    size = int.from_bytes(data[:8], "little")
    random = scene.rng.getrandbits(64)
    wrong = scene.rng.choice([0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1, random])
    scene.write(name, wrong.to_bytes(8, "little") + data[8:])
    return scene.victim.unproven


def huge_header(scene: Scene) -> Rule:
    """A true header with up to a megabyte of spaces or of metadata in it."""
    name = scene.pick(".safetensors")
    header, payload = split(scene.victim.files[name])
    length = 2 ** scene.rng.randint(10, 20)
    if scene.rng.random() < 0.5:
        header += b" " * length
    else:
        header = header[:1] + b'"__metadata__":{"a":"' + b"x" * length + b'"},' + header[1:]
    scene.write(name, safetensors_bytes(header, payload))
    return scene.victim.unproven


# Headers and tensors


def header_edited(scene: Scene) -> Rule:
    """Another value in a header that is well-formed still."""
    name = scene.pick(".safetensors")
    header, payload = split(scene.victim.files[name])
    table = mutated(json.loads(header), scene.rng)
    scene.write(name, safetensors_bytes(table, payload))
    return scene.victim.unproven


def offsets_moved(scene: Scene) -> Rule:
    """Tensors that overlap, leave holes, change places or end before they begin."""
    name = scene.pick(".safetensors")
    header, payload = split(scene.victim.files[name])
    table = json.loads(header)
    keys = [key for key in table if key != "__metadata__"]
    if len(keys) < 2:
        return bits_flipped(scene)
    first, second = scene.rng.sample(keys, 2)
    match scene.rng.randrange(4):
        case 0:
            table[first]["data_offsets"] = table[second]["data_offsets"]
        case 1:
            a, b = table[first]["data_offsets"], table[second]["data_offsets"]
            table[first]["data_offsets"], table[second]["data_offsets"] = b, a
        case 2:
            table[first]["data_offsets"][scene.rng.randrange(2)] += scene.rng.choice([-4, 4, 2**62])
        case _:
            table[first]["data_offsets"].reverse()
    scene.write(name, safetensors_bytes(table, payload))
    return scene.victim.unproven


def metadata_edited(scene: Scene) -> Rule:
    """Hashes that are gone, emptied, of other files, or of another kind."""
    name = scene.pick(".safetensors")
    header, payload = split(scene.victim.files[name])
    table = json.loads(header)
    metadata = table.setdefault("__metadata__", {})
    keys = [*metadata, "sha256", "files"]
    key = scene.rng.choice(keys)
    odd: list[Any] = ["", "{}", "[]", "0" * 64, "null", 7, None, {}, '{"config.json": 7}', "\ud800"]
    odd += ['{"../../etc/passwd": "0"}', '{"a":' * 1000]
    if scene.rng.random() < 0.3:
        metadata.pop(key, None)
    else:
        metadata[key] = scene.rng.choice(odd)
    if scene.rng.random() < 0.1:
        del table["__metadata__"]
    scene.write(name, safetensors_bytes(table, payload))
    return scene.victim.unproven


def tensors_exchanged(scene: Scene) -> Rule:
    """Renamed, missing, extra, of another shape or type; the hashes are recomputed."""
    rng = scene.rng
    of_model = rng.random() < 0.6 or not scene.victim.checkpoint.moments
    tensors = dict(tensors_of(scene, of_model))
    name = rng.choice(list(tensors))
    array = tensors[name]
    match rng.randrange(7):
        case 0:
            del tensors[name]
        case 1:
            tensors[rng.choice(["", "x", name + ".", name.upper(), "h.9.w", "\x1b[2J"])] = (
                tensors.pop(name)
            )
        case 2:
            tensors[rng.choice(["extra", name + "2", "transformer.h.9.ln_1.weight"])] = array
        case 3:
            tensors[name] = np.ascontiguousarray(array.T)
        case 4:
            kinds = ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"]
            tensors[name] = array.astype(rng.choice(kinds))
        case 5:
            tensors[name] = rng.choice([array.ravel(), array[None], array[:0], array[:1]]).copy()
        case _:
            tensors[name] = np.zeros((), array.dtype)
    scene.seal(**{"weights" if of_model else "moments": tensors})
    return "as the bytes say"


def not_finite(scene: Scene) -> Rule:
    """NaN or an infinity, with the hashes recomputed: only a check of the values can notice."""
    of_model = scene.rng.random() < 0.6 or not scene.victim.checkpoint.moments
    tensors = dict(tensors_of(scene, of_model))
    name = scene.rng.choice(list(tensors))
    tensors[name] = tensors[name].copy()
    value = scene.rng.choice([np.nan, np.inf, -np.inf])
    tensors[name].flat[scene.rng.randrange(tensors[name].size)] = value
    scene.seal(**{"weights" if of_model else "moments": tensors})
    return "refused"


def tensors_of(scene: Scene, of_model: bool) -> Tensors:
    checkpoint = scene.victim.checkpoint
    return checkpoint.weights if of_model else parts.join_moments(checkpoint.moments or {})


# JSON


def json_edited(scene: Scene) -> Rule:
    """Another value at any depth of a JSON file; its hash is recomputed half the time."""
    name = scene.pick(".json")
    table = mutated(json.loads(scene.victim.files[name]), scene.rng)
    scene.write(name, json.dumps(table).encode())
    return sealed_or_not(scene)


def json_bombed(scene: Scene) -> Rule:
    """What readers of JSON choke on, in the place of a value or of the whole file."""
    name = scene.pick(".json")
    scene.write(name, place(scene.rng.choice(BOMBS), scene.victim.files[name], scene.rng))
    return sealed_or_not(scene)


def tokenizer_made_rogue(scene: Scene) -> Rule:
    """Another structure of a tokenizer.json that the library may well understand."""
    if parts.TOKENIZER not in scene.victim.files:
        return json_edited(scene)
    scene.write(parts.TOKENIZER, rogue(scene.victim.files[parts.TOKENIZER], scene.rng))
    scene.seal()
    return "as the bytes say"


def header_bombed(scene: Scene) -> Rule:
    """The same in the header of a safetensors file."""
    name = scene.pick(".safetensors")
    header, payload = split(scene.victim.files[name])
    bombed = place(scene.rng.choice(BOMBS), header, scene.rng)
    scene.write(name, safetensors_bytes(bombed, payload))
    return scene.victim.unproven


def sealed_or_not(scene: Scene) -> Rule:
    if scene.rng.random() < 0.5:
        return scene.victim.unproven
    scene.seal()
    return "as the bytes say"


def mutated(table: Any, rng: Random) -> Any:
    """`table` with something else for one value, or without it, at any depth."""
    holder = table
    while True:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.3:
            break
        holder = holder[key]
    odd: list[Any] = [
        0,
        1,
        -1,
        2**31,
        2**63,
        2**64,
        1e308,
        0.5,
        None,
        True,
        False,
        "",
        "gpt2",
        "\ud800",
    ]
    odd += [[], {}, [[[]]], "x" * 999, "\x1b[2J\n", "../..", {"type": "Lowercase"}]
    if rng.random() < 0.2:
        del holder[key]
    elif rng.random() < 0.2 and isinstance(holder, dict) and isinstance(key, str):
        holder[key + rng.choice(["x", " ", "\0"])] = holder.pop(key)
    else:
        holder[key] = rng.choice(odd)
    return table


# Files


def missing(scene: Scene) -> Rule:
    """A file is not there. (From the hub, a tokenizer need not be.)"""
    name = scene.pick()
    (scene.path / name).unlink()
    return "refused" if scene.victim.ours or name != parts.TOKENIZER else "as the bytes say"


def of_another_checkpoint(scene: Scene) -> Rule:
    """Another model's configuration, tokenizer, weights or moments: one file or all but one."""
    other = scene.rng.choice(scene.others)
    common = [name for name in scene.victim.files if name in other.files]
    count = scene.rng.choice([1, max(1, len(common) - 1)])
    taken = scene.rng.sample(common, count)
    if set(taken) == set(other.files):  # that would be the other checkpoint, and a sound one
        taken.pop()
    for name in taken:
        scene.write(name, other.files[name])
    return scene.victim.unproven if scene.victim.ours == other.ours else "as the bytes say"


def not_a_file(scene: Scene) -> Rule:
    """A link that leaves the directory, a pipe, a socket, a device, a directory."""
    path = scene.path / scene.pick()
    content = path.read_bytes()
    path.unlink()
    outside = scene.path.parent / "outside"
    kind = scene.rng.randrange(7)
    if kind == 0:
        outside.write_bytes(content)
        path.symlink_to(outside)
    elif kind == 1:
        path.symlink_to(scene.rng.choice(["/dev/zero", "/dev/stdin", "/proc/self/mem", "/"]))
    elif kind == 2:
        path.symlink_to(scene.rng.choice(["nothing", path.name, "../..", "\n"]))
    elif kind == 3:
        os.mkfifo(path)
    elif kind == 4:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == 5:
        path.mkdir()
    else:
        inside = path.with_name("kept")
        inside.write_bytes(content)
        path.symlink_to("kept")
        return scene.victim.unproven  # a link that stays inside is as good as a file
    return "refused"


DAMAGES: tuple[Damage, ...] = (
    truncated,
    lengthened,
    bits_flipped,
    spliced,
    wrong_size_of_header,
    huge_header,
    header_edited,
    offsets_moved,
    metadata_edited,
    tensors_exchanged,
    not_finite,
    json_edited,
    json_bombed,
    tokenizer_made_rogue,
    header_bombed,
    missing,
    of_another_checkpoint,
    not_a_file,
)
