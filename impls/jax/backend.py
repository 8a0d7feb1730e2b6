"""The adapter from the JAX backend to the protocol in shared/protocol.py."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from shared.allocator import keep_freed_memory
from shared.config import Dtype, GPTConfig, SampleConfig, TrainConfig, weight_dtype
from shared.dropout import dropout_masks
from shared.errors import ConfigError
from shared.protocol import (
    StepResult,
    TrainState,
    check_dtype,
    check_prompt,
    check_state,
    check_tokens,
    check_weights,
)
from shared.schedule import learning_rate
from shared.taps import tap_names
from .generate import decode, forward, generate
from .model import GPT
from .nn import GraphDef, Types
from .optim import adam_state, build_optimizer
from .road.attention_steps import attention_steps
from .road.bigram import Bigram as bigram
from .road.bigram import count_bigrams
from .runtime import parallel
from .runtime.trace import trace
from .step import loss_and_grads, loss_function, train_step

__all__ = ["attention_steps", "bigram", "build", "count_bigrams", "name", "parallel"]

name = "jax"


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> "JaxModel":
    """Build a model with a copy of `weights`. Raises `UserError` for unusable arguments."""
    check_weights(config, weights)
    check_dtype(dtype, get_args(Dtype))
    place = find_device(device)
    graphdef, params = abstract_model(config, dtype)
    return JaxModel(config, graphdef, from_numpy(params, weights, place), place)


def find_device(name: str) -> jax.Device:
    """The first device of that kind. Raises `ConfigError` if this machine or this JAX lacks it."""
    try:
        if not name:
            raise RuntimeError("it has no name")  # jax.devices("") is the default
        return parallel.meet(jax.devices(name))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"device {name!r} cannot be used by jax: {reason}") from None


class OneKey(nnx.Rngs):
    """One key for all layers: only shapes matter, and counting keys takes 0.7 s for GPT-2."""

    def params(self) -> jax.Array:
        return jax.random.key(0)


@cache
def abstract_model(config: GPTConfig, dtype: str) -> tuple[nnx.GraphDef, nnx.State]:
    """The module's structure and the shapes of its weights, without their values.

    bfloat16 means mixed precision: weights in float32, and every layer casts them and its input.
    """
    types: Types = {"param_dtype": jnp.dtype(weight_dtype(dtype)), "dtype": jnp.dtype(dtype)}
    graphdef, params = nnx.split(nnx.eval_shape(lambda: GPT(config, types, OneKey())))
    return GraphDef(*(getattr(graphdef, field.name) for field in fields(graphdef))), params


# nnx has different names for the arrays of its layers.
LEAVES = dict.fromkeys(["kernel", "embedding", "scale"], "weight")


def canonical_name(path: tuple) -> str:
    """("h", 0, "attn", "c_attn", "kernel") is transformer.h.0.attn.c_attn.weight."""
    *modules, leaf = path
    dotted = ".".join([*map(str, modules), LEAVES.get(leaf, leaf)])
    return dotted if modules[0] == "lm_head" else f"transformer.{dotted}"


def swap_layout(key: str, value: np.ndarray) -> np.ndarray:
    """Canonical lm_head is [V, C], nnx's (in, out); all other layouts are the same."""
    return value.T if key == "lm_head.weight" else value


def to_numpy(state: nnx.State) -> dict[str, np.ndarray]:
    """Copies by canonical name, in canonical layout."""
    if parallel.sharded:
        state = parallel.gathered(state)
    arrays = {canonical_name(path): leaf[...] for path, leaf in nnx.to_flat_state(state)}
    return {
        key: np.array(swap_layout(key, np.asarray(array)), order="C")
        for key, array in arrays.items()
    }


def from_numpy(like: nnx.State, arrays: Mapping[str, np.ndarray], device: jax.Device) -> nnx.State:
    """A state with the structure and dtypes of `like` and copies of `arrays` as its values."""
    flat = []
    for path, leaf in reversed(nnx.to_flat_state(like)):  # wte first: it is the largest
        key = canonical_name(path)
        value = np.array(swap_layout(key, arrays[key]), dtype=leaf.dtype, order="C")
        array = jax.device_put(value, parallel.place(value.shape, device))
        jax.block_until_ready(array)  # or the copies pile up
        flat.append((path, leaf.replace(array)))
    return nnx.from_flat_state(reversed(flat))


def to_array(value: jax.Array) -> np.ndarray:
    """A copy; bfloat16, which NumPy lacks, becomes float32."""
    return np.array(value, jnp.promote_types(value.dtype, jnp.float32))


def one_type(ids: np.ndarray) -> np.ndarray:
    """Token ids as int32, so that jax.jit compiles once for all integer types. A NumPy array is
    bound to no device, so jax.jit moves it to the device of the weights."""
    return ids.astype(np.int32)


compute_loss = jax.jit(loss_function, static_argnames="graphdef")
compute_loss_and_grads = jax.jit(loss_and_grads, static_argnames="graphdef")


class JaxModel:
    """`shared.protocol.Model` for the JAX backend."""

    def __init__(
        self, config: GPTConfig, graphdef: nnx.GraphDef, params: nnx.State, device: jax.Device
    ) -> None:
        self.config = config
        self.graphdef = graphdef
        self.params = params
        self.device = device

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        check_tokens(self.config, tokens)
        return to_array(forward(self.graphdef, self.params, one_type(tokens))[0])

    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        check_tokens(self.config, tokens)
        taps = trace(self.graphdef, self.params, one_type(tokens))
        names = tap_names(self.config)  # jit sorts dicts
        return {tap: to_array(taps[tap]) for tap in names if tap in taps}

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        check_tokens(self.config, tokens, targets)
        ids = one_type(tokens), one_type(targets)
        return float(compute_loss(self.params, self.graphdef, *ids))

    def loss_and_grads(
        self, tokens: np.ndarray, targets: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        check_tokens(self.config, tokens, targets)
        ids = one_type(tokens), one_type(targets)
        loss, grads = compute_loss_and_grads(self.params, self.graphdef, *ids)
        return float(loss), to_numpy(grads)

    def weights(self) -> dict[str, np.ndarray]:
        return to_numpy(self.params)

    def trainer(self, config: TrainConfig) -> "JaxTrainer":
        return JaxTrainer(self, config)

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        check_prompt(self.config, prompt)
        return generate(self, prompt.copy(), config)

    def decode(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        check_prompt(self.config, prompt)
        found = decode(self, prompt.copy(), config)
        return ((token, to_array(logits)) for token, logits in found)


class JaxTrainer:
    """`shared.protocol.Trainer` for the JAX backend."""

    def __init__(self, model: JaxModel, config: TrainConfig) -> None:
        keep_freed_memory()
        self.model, self.config = model, config
        state = build_optimizer(config, config.learning_rate).init(model.params)
        # Place the state where a step will put it; otherwise the second step would compile again.
        places = jax.tree.map(lambda leaf: parallel.place(leaf.shape, model.device), state)
        self.optimizer_state = jax.device_put(state, places)
        self.count = 0

    def arguments(self, tokens: np.ndarray, targets: np.ndarray, lr: float) -> tuple[Any, ...]:
        """The arguments of `train_step` for the next step."""
        model, config = self.model, self.config
        state = model.graphdef, config, model.params, self.optimizer_state
        masks = dropout_masks(model.config, self.config.seed, self.count, *tokens.shape)
        return *state, one_type(tokens), one_type(targets), lr, masks

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> StepResult:
        check_tokens(self.model.config, tokens, targets)
        model, lr = self.model, learning_rate(self.config, self.count)
        given = self.arguments(tokens, targets, lr)
        model.params, self.optimizer_state, loss, norm = train_step(*given)
        self.count += 1
        return StepResult(float(loss), float(norm), lr)

    def state(self) -> TrainState:
        adam = adam_state(self.optimizer_state)
        moments = {} if adam is None else {"m": to_numpy(adam.mu), "v": to_numpy(adam.nu)}
        return TrainState(self.count, self.model.weights(), moments)

    def load_state(self, state: TrainState) -> None:
        check_state(self.model.config, self.config, state)
        params, device = self.model.params, self.model.device
        self.model.params = from_numpy(params, state.weights, device)
        self.count = state.step
        self.optimizer_state = tuple(
            optax.ScaleByAdamState(
                count=jax.device_put(np.int32(state.step), parallel.place((), device)),
                mu=from_numpy(params, state.moments["m"], device),
                nu=from_numpy(params, state.moments["v"], device),
            )
            if isinstance(part, optax.ScaleByAdamState)
            else part
            for part in self.optimizer_state
        )
