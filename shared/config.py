"""The configurations, and the presets that fill them.

`GPTConfig` says what the function is, `TrainConfig` how its weights are found, `SampleConfig`
how text is drawn from it, `RunLimits` when to stop. All are frozen and check themselves: an
impossible configuration cannot be built.
"""

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from shared.errors import ConfigError

Activation = Literal["gelu_tanh", "gelu_erf", "relu"]
Norm = Literal["pre", "post"]
Position = Literal["learned", "sinusoidal"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant"]
Dtype = Literal["float32", "float64", "bfloat16"]

LOWEST_TEMPERATURE = 1e-100
PRESETS = Path(__file__).parent / "presets"
DEFAULT_PRESET = "nanogpt-cpu"


def weight_dtype(dtype: str) -> str:
    """The type that the weights have: float32 where bfloat16 is only computed in (mixed precision,
    Micikevicius et al. 2018: an update is often too small to change a weight of 8 bits)."""
    return "float32" if dtype == "bfloat16" else dtype


@dataclass(frozen=True)
class GPTConfig:
    """The architecture: a decoder-only Transformer (Radford et al. 2019, §2.3).

    Raises `ConfigError` for a combination that no model can have.
    """

    vocab_size: int
    """Number of different tokens, V."""
    block_size: int = 64
    """Longest context the model sees, in tokens."""
    n_layer: int = 4
    """Number of blocks."""
    n_head: int = 4
    """Attention heads per block, H."""
    n_embd: int = 128
    """Width of the residual stream, C."""
    n_inner: int | None = None
    """Width of the MLP's hidden layer, F. None: 4 * n_embd."""
    activation: Activation = "gelu_tanh"
    """The MLP's non-linearity. GPT-2 has gelu_tanh, the original Transformer relu."""
    norm: Norm = "pre"
    """LayerNorm before each sublayer (GPT-2) or after its residual sum (Vaswani et al. 2017)."""
    position: Position = "learned"
    """A trained table of positions (GPT-2) or fixed sines and cosines (Vaswani et al. 2017)."""
    bias: bool = True
    """Whether linears and LayerNorms have biases."""
    tie_weights: bool = False
    """Whether lm_head is the token embedding itself."""
    layer_norm_epsilon: float = 1e-5
    """Added to the variance inside LayerNorm's square root."""
    dropout: float = 0.0
    """Share of the embeddings, attention weights and sublayer outputs set to 0 in training."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            _positive_integer(name, getattr(self, name))
        if self.n_inner is not None:
            _positive_integer("n_inner", self.n_inner)
        if self.n_embd % self.n_head:
            raise ConfigError(
                f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}: "
                f"every head needs the same number of channels"
            )
        _one_of("activation", self.activation, Activation)
        _one_of("norm", self.norm, Norm)
        _one_of("position", self.position, Position)
        if self.position == "sinusoidal" and self.n_embd % 2:
            raise ConfigError(
                f"n_embd {self.n_embd} is odd: sinusoidal positions come in sine and cosine pairs"
            )
        for name in ("bias", "tie_weights"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be true or false")
        _number("layer_norm_epsilon", self.layer_norm_epsilon, above=0.0)
        _number("dropout", self.dropout, at_least=0.0, below=1.0)

    @property
    def head_size(self) -> int:
        """Channels per head, D."""
        return self.n_embd // self.n_head

    @property
    def inner_size(self) -> int:
        """Width of the MLP's hidden layer, F, with the default filled in."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Every constant is stated here, because library defaults differ.

    Raises `ConfigError` for a value outside its range.
    """

    steps: int = 2000
    """Optimizer steps, from the first batch to the last."""
    batch_size: int = 12
    """Windows of block_size tokens per step, B."""
    optimizer: Optimizer = "adamw"
    """AdamW (Loshchilov & Hutter 2019) or plain stochastic gradient descent."""
    learning_rate: float = 1e-3
    """The peak learning rate."""
    min_lr: float = 1e-4
    """Where the cosine schedule ends."""
    schedule: Schedule = "cosine"
    """After the warm-up: down a half cosine to min_lr, or constant."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    beta1: float = 0.9
    """AdamW: decay of the first moment."""
    beta2: float = 0.99
    """AdamW: decay of the second moment."""
    epsilon: float = 1e-8
    """AdamW: added to the root of the second moment, outside the root."""
    weight_decay: float = 0.1
    """AdamW: decoupled decay, times the learning rate; on tensors of two or more dimensions."""
    grad_clip: float = 1.0
    """Largest global norm of the gradient. 0: no clipping."""
    eval_interval: int = 250
    """Steps between evaluations on the whole validation split."""
    checkpoint_interval: int = 500
    """Steps between checkpoints. The last step always writes one."""
    seed: int = 1337
    """Decides the initial weights and the order of the batches."""
    accumulate: int = 1
    """Micro-batches per step: the batch is split into this many, and their gradients are
    accumulated. The same step in less memory; if they do not divide batch_size, sizes differ."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "eval_interval", "checkpoint_interval"):
            _positive_integer(name, getattr(self, name))
        if self.accumulate > self.batch_size:
            raise ConfigError(
                f"accumulate is {self.accumulate}; a batch of {self.batch_size} can be split into "
                f"at most {self.batch_size}"
            )
        for name in ("warmup_steps", "seed"):
            _natural_number(name, getattr(self, name))
        _one_of("optimizer", self.optimizer, Optimizer)
        _one_of("schedule", self.schedule, Schedule)
        for name in ("learning_rate", "epsilon"):
            _number(name, getattr(self, name), above=0.0)
        for name in ("min_lr", "weight_decay", "grad_clip"):
            _number(name, getattr(self, name), at_least=0.0)
        for name in ("beta1", "beta2"):
            _number(name, getattr(self, name), at_least=0.0, below=1.0)
        if self.schedule == "cosine" and self.min_lr > self.learning_rate:
            raise ConfigError(
                f"min_lr {self.min_lr} is above learning_rate {self.learning_rate}: "
                f"the schedule can only go down"
            )


@dataclass(frozen=True)
class SampleConfig:
    """How to draw text. Raises `ConfigError` for a value outside its range."""

    max_new_tokens: int = 300
    """Tokens to write after the prompt."""
    temperature: float = 1.0
    """Logits are divided by it. 0: always the most likely token (greedy)."""
    top_k: int | None = None
    """Keep only the k most likely tokens. None: all."""
    top_p: float | None = None
    """Keep the fewest tokens whose probabilities reach p (Holtzman et al. 2020). None: all."""
    seed: int = 1
    """The token at position n is drawn with a uniform that depends on (seed, n) alone."""

    def __post_init__(self) -> None:
        _natural_number("max_new_tokens", self.max_new_tokens)
        _natural_number("seed", self.seed)
        _number("temperature", self.temperature, at_least=0.0)
        if 0 < self.temperature < LOWEST_TEMPERATURE:  # logits divided by it would overflow
            raise ConfigError(
                f"temperature is {self.temperature!r}; "
                f"it must be 0 (greedy) or at least {LOWEST_TEMPERATURE:g}"
            )
        if self.top_k is not None:
            _positive_integer("top_k", self.top_k)
        if self.top_p is not None:
            _number("top_p", self.top_p, above=0.0, at_most=1.0)


@dataclass(frozen=True)
class RunLimits:
    """When a run ends before its last step, what it measures, and what it keeps. None of it changes
    the weights.

    Raises `ConfigError` for a value outside its range.
    """

    max_seconds: float | None = None
    """Stop after this many seconds and save; --resume continues. None: no limit."""
    target_loss: float | None = None
    """Stop once the validation loss is so low, in nats per token, and save. None: never."""
    keep_checkpoints: int | None = None
    """Keep the N newest checkpoints and the best. None: all."""
    eval_windows: int | None = None
    """Validate on N windows, spread over the validation split, instead of on all of it: a large
    model takes minutes for that. None: all."""

    def __post_init__(self) -> None:
        for name in ("max_seconds", "target_loss"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), above=0.0)
        for name in ("keep_checkpoints", "eval_windows"):
            if getattr(self, name) is not None:
                _positive_integer(name, getattr(self, name))


@dataclass(frozen=True)
class Preset:
    """A named recipe: some fields of GPTConfig, a TrainConfig, and the tokenizer to use."""

    name: str
    model: dict[str, Any]
    train: TrainConfig
    tokenizer: str


def preset_names() -> list[str]:
    """The presets that can be asked for, in alphabetical order."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load_preset(name: str = DEFAULT_PRESET) -> Preset:
    """Read `shared/presets/NAME.toml`. Raises `ConfigError` for an unknown name or key."""
    if name not in preset_names():
        raise ConfigError(f"there is no preset {name!r}; there are: {', '.join(preset_names())}")
    table = tomllib.loads((PRESETS / f"{name}.toml").read_text(encoding="utf-8"))
    _only_known_keys(f"preset {name}", table, {"model", "train", "tokenizer"})
    model, train = table.get("model", {}), table.get("train", {})
    _only_known_keys(f"preset {name}, [model]", model, {f.name for f in fields(GPTConfig)})
    _only_known_keys(f"preset {name}, [train]", train, {f.name for f in fields(TrainConfig)})
    return Preset(name, model, TrainConfig(**train), table.get("tokenizer", "char"))


def _only_known_keys(where: str, table: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"{where}: unknown {', '.join(unknown)}")


def _positive_integer(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**63:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number, 1 or more (below 2^63)")


def _natural_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number, 0 or more (below 2^63)")


def _number(
    name: str,
    value: object,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> None:
    limits = [
        f"{word} {limit:g}"
        for word, limit in (
            ("at least", at_least),
            ("above", above),
            ("at most", at_most),
            ("below", below),
        )
        if math.isfinite(limit)
    ]
    good = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < math.inf  # of an integer too large for a float, too
        and at_least <= value <= at_most
        and above < value < below
    )
    if not good:
        raise ConfigError(f"{name} is {value!r}; it must be a number {' and '.join(limits)}")


def _one_of(name: str, value: object, choices: Any) -> None:
    if value not in get_args(choices):
        raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(get_args(choices))}")
