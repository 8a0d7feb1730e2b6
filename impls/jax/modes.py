"""Modes of JAX: uncompiled, in bfloat16, sharded, or on a device: `load_backend("jax@nojit")`.

Join several with "+": "jax@gpu+bf16".
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax

from shared.errors import BackendError, ConfigError
from shared.protocol import CAPABILITIES, PRECISIONS
from .backend import build, find_device
from .runtime import parallel

MODES = ("nojit", "bf16", "fsdp", "gpu")
"""What the suite tries with --modes. Any other kind of device is a mode, too."""
SMOOTH = ("gpt2", "erf", "post-erf", "dropout")
"""The cases that bfloat16 is judged on. None has ReLU: where 8 bits round an input across zero,
ReLU switches a whole gradient on or off."""

Setting = Callable[[], AbstractContextManager]


class Within:
    """A model or trainer whose methods all run under a setting of JAX."""

    def __init__(self, inner: Any, setting: Setting) -> None:
        self.inner, self.setting = inner, setting

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.inner, name)
        return self._call(attribute) if callable(attribute) else attribute

    def _call(self, method: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.setting():
                found = method(*args, **kwargs)
            if isinstance(found, Iterator):
                return self._each(found)
            return Within(found, self.setting) if hasattr(found, "load_state") else found

        return call

    def _each(self, items: Iterator) -> Iterator:
        """Iterate under the setting; between two items, the caller's applies again."""
        ended = object()
        while True:
            with self.setting():
                item = next(items, ended)
            if item is ended:
                return
            yield item


def mode(words: str) -> SimpleNamespace:
    """The mode of that name: a `shared.protocol.Backend` that changes how this backend's model is
    computed. Raises `BackendError` if this machine lacks it."""
    name, asked = f"jax@{words}", words.split("+")
    devices = [word for word in asked if word not in ("nojit", "bf16", "fsdp")]
    try:
        if "compile" in asked:
            raise ConfigError("JAX compiles every step as it is")
        if len(devices) > 1 or len(set(asked)) < len(asked):
            raise ConfigError("one device, and each mode once, joined by +")
        for device in devices:
            find_device(device)
    except ConfigError as error:
        raise BackendError(f"{name} is not available: {error}") from None
    capabilities, precisions = tuple(CAPABILITIES), PRECISIONS
    setting: Setting = nullcontext
    if devices:  # a GPU or TPU would round the inputs of float32 products
        setting = lambda: jax.default_matmul_precision("highest")  # noqa: E731
    cases: tuple[str, ...] | None = None
    if "nojit" in asked:  # every operation runs by itself: slow
        setting, cases = jax.disable_jit, ("gpt2", "dropout")
    if "bf16" in asked:  # texts must be equal, so they are judged in full precision
        precisions, capabilities = ("bfloat16",), ("trace", "grads", "trainer")
        cases = SMOOTH
    if "fsdp" in asked:  # matters only for training in several processes
        capabilities, cases = ("trainer",), ("dropout",)
    join = partial(parallel.join, shard="fsdp" in asked)
    processes = SimpleNamespace(join=join, most=parallel.most, leave=parallel.leave)

    def build_in_mode(*given: Any, device: str = "cpu", **options: Any) -> Within:
        model = build(*given, device=devices[0] if devices else device, **options)
        return Within(model, setting)

    offered = {"capabilities": capabilities, "dtypes": precisions, "cases": cases}
    return SimpleNamespace(name=name, build=build_in_mode, parallel=processes, **offered)
