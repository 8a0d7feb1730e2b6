"""The intermediate values of a forward pass: nnx.capture records the outputs of all methods."""

from functools import partial

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from shared.taps import Tap, collect


@partial(jax.jit, static_argnames="graphdef")
def trace(
    graphdef: nnx.GraphDef, params: nnx.State, tokens: Int[Array, "B T"]
) -> dict[str, Float[Array, "..."]]:
    """Every tap (shared/taps.py) by name."""
    gpt = nnx.merge(graphdef, params)
    record: dict[str, Array] = {}
    for path, module in nnx.iter_modules(gpt):
        module.tap = Tap(record, ".".join(map(str, path)))
    logits, outputs = nnx.capture(gpt, nnx.Intermediate, method_outputs=nnx.Intermediate)(tokens)
    for (*path, method), output in nnx.to_flat_state(outputs):
        if method == "__call__":
            (record[".".join(map(str, path))],) = output.get_value()
    record["probs"] = jax.nn.softmax(logits, axis=-1)
    return collect(gpt.config, record)
