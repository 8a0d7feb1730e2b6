"""State that no call may change: arrays passed in or returned earlier, and global state."""

import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.compare import Disagreement
from conformance.fuzz.alike import flat


class Kept:
    """Arrays of a caller, and a copy of their contents."""

    def __init__(self, what: str, arrays: dict[str, np.ndarray]) -> None:
        self.what, self.arrays = what, arrays
        self.contents = {key: array.tobytes() for key, array in arrays.items()}

    def __repr__(self) -> str:
        return f"<{self.what}>"


class Watch:
    """Records every array passed between a caller and the backends."""

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
        """Raises `Disagreement` for the first array or setting that has changed."""
        for kept in self.kept:
            for key, array in kept.arrays.items():
                if array.tobytes() != kept.contents[key]:
                    raise Disagreement(f"{kept.what}: {key or 'it'} has changed since")
        for what, (look, _) in self.surroundings.items():
            if look() != self.before[what]:
                raise Disagreement(f"{what} has changed to {look()!s:.50}")

    def restore(self) -> None:
        """Restore global state, so that examples do not affect each other."""
        for what, (_, put) in self.surroundings.items():
            put(self.before[what])


Place = tuple[Callable[[], Any], Callable[[Any], object]]


def surroundings() -> dict[str, Place]:
    """Global state that must not change: how to read it, and how to restore it. Frameworks only if
    they are loaded."""
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
    """The state as bytes, for comparison."""
    return pickle.dumps(np.random.get_state())  # noqa: NPY002


def set_random_state(state: bytes) -> None:
    np.random.set_state(pickle.loads(state))  # noqa: NPY002
