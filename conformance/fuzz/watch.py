"""What no call may change: arrays that were handed in or out before, and what is global."""

import pickle
import sys
from collections.abc import Callable
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
        self.before = {what: look() for what, (look, _) in self.surroundings.items()}

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
        for what, (look, _) in self.surroundings.items():
            if look() != self.before[what]:
                raise Disagreement(f"{what} has changed to {look()!s:.50}")

    def restore(self) -> None:
        """Put back what is global, so that one example has no part in what the next one finds."""
        for what, (_, put) in self.surroundings.items():
            put(self.before[what])


Place = tuple[Callable[[], Any], Callable[[Any], object]]


def surroundings() -> dict[str, Place]:
    """What is global and has to stay: how to look at it, and how to put it back. Of frameworks,
    only where they are loaded."""
    found: dict[str, Place] = {
        "NumPy's errstate": (np.geterr, lambda value: np.seterr(**value)),
        "np.random's state": (random_state, set_random_state),
    }
    if torch := sys.modules.get("torch"):
        found["torch's default dtype"] = torch.get_default_dtype, torch.set_default_dtype
        found["torch's grad mode"] = torch.is_grad_enabled, torch.set_grad_enabled
        found["torch's inference mode"] = torch.is_inference_mode_enabled, lambda value: None
        found["torch's number of threads"] = torch.get_num_threads, torch.set_num_threads
    if jax := sys.modules.get("jax"):
        found["jax_enable_x64"] = (
            lambda: jax.config.jax_enable_x64,
            lambda value: jax.config.update("jax_enable_x64", value),
        )
    return found


def random_state() -> bytes:
    """As bytes, which can be compared."""
    return pickle.dumps(np.random.get_state())  # noqa: NPY002


def set_random_state(state: bytes) -> None:
    np.random.set_state(pickle.loads(state))  # noqa: NPY002
