"""A backend of the package `autograd`, which differentiates NumPy code: a fourth, independent of
the three frameworks. To judge it: nox -s conformance -- --backend tests.autograd_backend
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad
from autograd.scipy.special import erf
from autograd.tracer import getval

from conformance.truths.reference import draw
from shared import protocol
from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.errors import ConfigError
from shared.randomness import uniform
from shared.schedule import learning_rate
from shared.taps import NO_TAP, Tap

name = "autograd"

Tensors = dict[str, np.ndarray]
ACTIVATIONS = {  # the slope of tanh is 1/cosh², which would overflow; that of maximum is 1/2 at 0
    "gelu_tanh": lambda x: (
        x / 2 * (1 + anp.tanh(anp.clip((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3), -20, 20)))
    ),
    "gelu_erf": lambda x: x / 2 * (1 + erf(x / 2**0.5)),
    "relu": lambda x: anp.where(x > 0, x, 0.0),
}


def shifted_exp(x: Any) -> tuple[Any, Any]:
    """x less its largest entry, which changes no gradient, and exp of it, which cannot overflow."""
    x = x - getval(x).max(axis=-1, keepdims=True)
    return x, anp.exp(x)


def softmax(x: Any) -> Any:
    return (e := shifted_exp(x)[1]) / anp.sum(e, axis=-1, keepdims=True)


@dataclass
class Network:
    """The function: tensors by canonical name, or autograd's replacements for them."""

    p: Any
    config: GPTConfig
    cache: dict[str, np.ndarray] | None = None
    """Keys and values of the tokens before, by where they are; those of new ones are added."""

    def add_bias(self, key: str, x: Any) -> Any:
        return x + self.p[f"{key}.bias"] if f"{key}.bias" in self.p else x

    def linear(self, key: str, x: Any) -> Any:
        return self.add_bias(key, anp.matmul(x, self.p[f"{key}.weight"]))

    def norm(self, key: str, x: Any, tap: Tap) -> Any:
        x = x - anp.mean(x, axis=-1, keepdims=True)
        variance = anp.mean(x * x, axis=-1, keepdims=True)
        x = x / anp.sqrt(variance + self.config.layer_norm_epsilon) * self.p[f"{key}.weight"]
        return tap(key.rpartition(".")[2], self.add_bias(key, x))

    def attn(self, key: str, x: Any, tap: Tap) -> Any:
        (B, T, C), H, D = x.shape, self.config.n_head, self.config.head_size
        qkv = anp.reshape(self.linear(f"{key}.c_attn", x), (B, T, 3, H, D))
        q, k, v = (tap("qkv"[i], anp.swapaxes(qkv[:, :, i], 1, 2)) for i in range(3))
        if self.cache is not None:
            k, v = (self.extended(f"{key}.{letter}", new) for letter, new in (("k", k), ("v", v)))
        scores = tap("scores", anp.matmul(q, anp.swapaxes(k, -1, -2)) / math.sqrt(D))
        future = np.triu(np.ones(scores.shape[-2:], dtype=bool), k=1 + scores.shape[-1] - T)
        weights = tap("weights", softmax(anp.where(future, -math.inf, scores)))
        y = anp.reshape(anp.swapaxes(anp.matmul(weights, v), 1, 2), (B, T, C))
        return self.linear(f"{key}.c_proj", tap("y", y))

    def extended(self, key: str, new: np.ndarray) -> np.ndarray:
        assert self.cache is not None
        past = self.cache.get(key, new[:, :, :0])
        self.cache[key] = np.concatenate([past, new], axis=2)
        return self.cache[key]

    def mlp(self, key: str, x: Any, tap: Tap) -> Any:
        x = tap("fc", self.linear(f"{key}.c_fc", x))
        return self.linear(f"{key}.c_proj", tap("act", ACTIVATIONS[self.config.activation](x)))

    def block(self, key: str, x: Any, tap: Tap) -> Any:
        for which, ln in (("attn", "ln_1"), ("mlp", "ln_2")):
            y = self.norm(f"{key}.{ln}", x, tap) if self.config.norm == "pre" else x
            y = getattr(self, which)(f"{key}.{which}", y, tap.inside(which))
            x = x + tap(which, y)
            x = x if self.config.norm == "pre" else self.norm(f"{key}.{ln}", x, tap)
        return x

    def positions(self, dtype: np.dtype) -> Any:
        if self.config.position == "learned":
            return self.p["transformer.wpe.weight"]
        t, C = np.arange(self.config.block_size)[:, None], self.config.n_embd
        angle = t / 10000 ** (np.arange(0, C, 2) / C)
        return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(-1, C).astype(dtype)

    def logits(self, tokens: np.ndarray, tap: Tap = NO_TAP) -> Any:
        wte, seen = self.p["transformer.wte.weight"], 0
        if self.cache:
            seen = next(iter(self.cache.values())).shape[2]
        at = self.positions(getval(wte).dtype)[seen : seen + tokens.shape[1]]
        x = tap("embed", wte[tokens] + at)
        for i in range(self.config.n_layer):
            x = tap(f"h.{i}", self.block(f"transformer.h.{i}", x, tap.inside(f"h.{i}")))
        x = self.norm("transformer.ln_f", x, tap) if self.config.norm == "pre" else x
        head = wte if self.config.tie_weights else self.p["lm_head.weight"]
        logits = tap("logits", anp.matmul(x, anp.swapaxes(head, 0, 1)))
        if tap:
            tap("probs", softmax(logits))
        return logits

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> Any:
        logits, exp = shifted_exp(self.logits(tokens))
        chosen = logits[np.arange(len(tokens))[:, None], np.arange(tokens.shape[1]), targets]
        return anp.mean(anp.log(anp.sum(exp, axis=-1)) - chosen)


def copied(tensors: Mapping[str, np.ndarray], dtype: str | None = None) -> Tensors:
    return {key: np.array(value, dtype=dtype, order="C") for key, value in tensors.items()}


class Model:
    """`shared.protocol.Model`. Trainers put other tensors in place of its own, and change none."""

    def __init__(self, config: GPTConfig, tensors: Tensors) -> None:
        self.config, self.tensors = config, tensors

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        protocol.check_tokens(self.config, tokens)
        return Network(self.tensors, self.config).logits(tokens)

    def trace(self, tokens: np.ndarray) -> Tensors:
        protocol.check_tokens(self.config, tokens)
        record: Tensors = {}
        Network(self.tensors, self.config).logits(tokens, Tap(record))
        return copied(record)

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        protocol.check_tokens(self.config, tokens, targets)
        return float(Network(self.tensors, self.config).loss(tokens, targets))

    def loss_and_grads(self, tokens: np.ndarray, targets: np.ndarray) -> tuple[float, Tensors]:
        protocol.check_tokens(self.config, tokens, targets)
        both = value_and_grad(lambda p: Network(p, self.config).loss(tokens, targets))
        loss, grads = both(self.tensors)
        return float(loss), copied(grads)

    def weights(self) -> Tensors:
        return copied(self.tensors)

    def trainer(self, config: TrainConfig) -> "Trainer":
        return Trainer(self, config)

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        return (token for token, _ in self.decode(prompt, config))

    def decode(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        protocol.check_prompt(self.config, prompt)
        return self._decode(prompt.tolist(), config)

    def _decode(self, tokens: list[int], config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        """With a cache; the weights are the model's at every step."""
        size, cache = self.config.block_size, Tensors()
        new = tokens[-size:]
        for _ in range(config.max_new_tokens):
            logits = Network(self.tensors, self.config, cache).logits(np.array([new]))[0, -1]
            tokens.append(draw(logits, uniform(config.seed, len(tokens)), config))
            yield tokens[-1], logits
            new = tokens[-1:]
            if len(tokens) > size:  # the window slides, and nothing cached is right any more
                cache, new = Tensors(), tokens[-size:]


class Trainer:
    """`shared.protocol.Trainer`: clipping, AdamW and SGD."""

    def __init__(self, model: Model, config: TrainConfig) -> None:
        self.model, self.config, self.count = model, config, 0
        zeros = {key: np.zeros_like(value) for key, value in model.tensors.items()}
        self.moments = {c: copied(zeros) for c in "mv" if config.optimizer == "adamw"}

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> protocol.StepResult:
        config, rate = self.config, learning_rate(self.config, self.count)
        loss, grads = self.model.loss_and_grads(tokens, targets)
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
        scale = config.grad_clip / norm if 0 < config.grad_clip < norm else 1.0
        self.count += 1
        tensors = self.model.tensors.items()
        changes = {key: self.change(key, w, scale * grads[key]) for key, w in tensors}
        self.model.tensors = {key: w - rate * changes[key] for key, w in tensors}
        return protocol.StepResult(loss, norm, rate)

    def change(self, key: str, w: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The gradient, or AdamW's corrected moments and decay."""
        if not self.moments:
            return g
        c, (m, v) = self.config, (self.moments["m"], self.moments["v"])
        m[key] = c.beta1 * m[key] + (1 - c.beta1) * g
        v[key] = c.beta2 * v[key] + (1 - c.beta2) * g * g
        root = np.sqrt(v[key] / (1 - c.beta2**self.count))
        update = m[key] / (1 - c.beta1**self.count) / (root + c.epsilon)
        return update + c.weight_decay * w if w.ndim >= 2 else update

    def state(self) -> protocol.TrainState:
        moments = {letter: copied(values) for letter, values in self.moments.items()}
        return protocol.TrainState(self.count, self.model.weights(), moments)

    def load_state(self, state: protocol.TrainState) -> None:
        protocol.check_state(self.model.config, self.config, state)
        dtype = self.model.tensors["transformer.wte.weight"].dtype.name
        self.moments = {letter: copied(state.moments[letter], dtype) for letter in self.moments}
        self.model.tensors, self.count = copied(state.weights, dtype), state.step


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> Model:
    protocol.check_weights(config, weights)
    protocol.check_dtype(dtype)
    if device != "cpu":
        raise ConfigError(f"device is {device!r}; autograd has only 'cpu'")
    return Model(config, copied(weights, dtype))
