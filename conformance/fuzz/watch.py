"""What no call may change: arrays that were handed in or out before, and what is global."""

import sys
from typing import Any

import numpy as np

from conformance.compare import Disagreement
from conformance.fuzz.alike import flat


class Kept:
    """Arrays that a caller has, and what was in them."""

    def __init__(self, what: str, arrays: dict[str, np.ndarray]) -> None:
        self.what, self.arrays = what, arrays
        self.contents = {key: array.tobytes() for key, array in arrays.items()}

    def __repr__(self) -> str:
        return f"<{self.what}>"


class Watch:
    """Remembers every array that passed between a caller and the backends."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.surroundings = surroundings()

    def keep(self, what: str, value: Any) -> None:
        if arrays := dict(flat(value)):
            self.kept.append(Kept(what, arrays))

    def overwrite(self, kept: Kept, first: int) -> None:
        """Every second array: if two share memory, one of those between has changed as well."""
        for key in list(kept.arrays)[first::2]:
            array = kept.arrays[key]
            if array.flags.writeable:
                array[...] = np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max
                kept.contents[key] = array.tobytes()
        self.check()

    def check(self) -> None:
        """Raises `Disagreement` for the first thing that has changed."""
        for kept in self.kept:
            for key, array in kept.arrays.items():
                if array.tobytes() != kept.contents[key]:
                    raise Disagreement(f"{kept.what}: {key or 'it'} has changed since")
        for what, value in surroundings().items():
            if value != self.surroundings[what]:
                before = self.surroundings[what]
                raise Disagreement(f"{what} was {before} and has become {value}")


def surroundings() -> dict[str, Any]:
    """What is global and has to stay. Frameworks are looked at only where they are loaded."""
    _, numbers, *rest = np.random.get_state()  # noqa: NPY002
    found: dict[str, Any] = {
        "NumPy's errstate": np.geterr(),
        "np.random's state": (numbers.tobytes(), rest),
    }
    if torch := sys.modules.get("torch"):
        found["torch's default dtype"] = torch.get_default_dtype()
        found["torch's grad mode"] = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        found["torch's number of threads"] = torch.get_num_threads()
    if jax := sys.modules.get("jax"):
        found["jax_enable_x64"] = jax.config.jax_enable_x64
    return found
