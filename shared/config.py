"""The configurations, and the presets that fill them.

`GPTConfig` defines the model, `TrainConfig` how it is trained, `SampleConfig` how text is drawn
from it, and `RunLimits` when to stop. All are frozen and check themselves: an impossible
configuration cannot be built.
"""

import functools
import sys
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from shared.errors import ConfigError

# The types that `check_fields` checks; its messages quote the descriptions.
LARGEST = sys.float_info.max
Count = Annotated[
    int, Meta(ge=1, le=2**63 - 1, description="a whole number, 1 or more (below 2^63)")
]
Natural = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="a whole number, 0 or more (below 2^63)")
]
Positive = Annotated[float, Meta(gt=0, le=LARGEST, description="a number above 0")]
NotNegative = Annotated[float, Meta(ge=0, le=LARGEST, description="a number at least 0")]
BelowOne = Annotated[float, Meta(ge=0, lt=1, description="a number at least 0 and below 1")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number above 0 and at most 1")]

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
    """The dtype of the weights: with bfloat16 it is still float32 (mixed precision, Micikevicius et
    al. 2018), because an update is often too small to change a weight of 8 bits."""
    return "float32" if dtype == "bfloat16" else dtype


@dataclass(frozen=True)
class GPTConfig:
    """The architecture: a decoder-only Transformer (Radford et al. 2019, §2.3).

    Raises `ConfigError` for an impossible combination.
    """

    vocab_size: Count
    """Number of different tokens, V."""
    block_size: Count = 64
    """Longest context the model sees, in tokens."""
    n_layer: Count = 4
    """Number of blocks."""
    n_head: Count = 4
    """Attention heads per block, H."""
    n_embd: Count = 128
    """Width of the residual stream, C."""
    n_inner: Count | None = None
    """Width of the MLP's hidden layer, F. None: 4 * n_embd."""
    activation: Activation = "gelu_tanh"
    """The MLP's non-linearity. GPT-2 has gelu_tanh, the original Transformer relu."""
    norm: Norm = "pre"
    """LayerNorm before each sublayer (GPT-2) or after its residual sum (Vaswani et al. 2017)."""
    position: Position = "learned"
    """A trained table of positions (GPT-2) or fixed sines and cosines (Vaswani et al. 2017)."""
    bias: bool = True
    """Whether linear layers and LayerNorms have biases."""
    tie_weights: bool = False
    """Whether lm_head shares the weights of the token embedding."""
    layer_norm_epsilon: Positive = 1e-5
    """Added to the variance inside LayerNorm's square root."""
    dropout: BelowOne = 0.0
    """Share of the embeddings, attention weights and sublayer outputs set to 0 in training."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.n_embd % self.n_head:
            raise ConfigError(
                f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}: "
                f"every head needs the same number of channels"
            )
        if self.position == "sinusoidal" and self.n_embd % 2:
            raise ConfigError(
                f"n_embd {self.n_embd} is odd: sinusoidal positions come in sine and cosine pairs"
            )

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

    steps: Count = 2000
    """Optimizer steps, from the first batch to the last."""
    batch_size: Count = 12
    """Windows of block_size tokens per step, B."""
    optimizer: Optimizer = "adamw"
    """AdamW (Loshchilov & Hutter 2019) or plain stochastic gradient descent."""
    learning_rate: Positive = 1e-3
    """The peak learning rate."""
    min_lr: NotNegative = 1e-4
    """The learning rate at the end of the cosine schedule."""
    schedule: Schedule = "cosine"
    """After the warm-up: half a cosine down to min_lr, or constant."""
    warmup_steps: Natural = 100
    """Steps of linear warm-up."""
    beta1: BelowOne = 0.9
    """AdamW: decay of the first moment."""
    beta2: BelowOne = 0.99
    """AdamW: decay of the second moment."""
    epsilon: Positive = 1e-8
    """AdamW: added to the root of the second moment, outside the root."""
    weight_decay: NotNegative = 0.1
    """AdamW: decoupled decay, times the learning rate; for tensors of two or more dimensions."""
    grad_clip: NotNegative = 1.0
    """Largest global norm of the gradient. 0: no clipping."""
    eval_interval: Count = 250
    """Steps between evaluations on the whole validation split."""
    checkpoint_interval: Count = 500
    """Steps between checkpoints. The last step always writes one."""
    seed: Natural = 1337
    """Determines the initial weights and the batches."""
    accumulate: Count = 1
    """Micro-batches per step, whose gradients are accumulated: the same step in less memory. If the
    number does not divide batch_size, their sizes differ."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.accumulate > self.batch_size:
            raise ConfigError(
                f"accumulate is {self.accumulate}; a batch of {self.batch_size} can be split into "
                f"at most {self.batch_size}"
            )
        if self.schedule == "cosine" and self.min_lr > self.learning_rate:
            raise ConfigError(
                f"min_lr {self.min_lr} is above learning_rate {self.learning_rate}: "
                f"the schedule can only go down"
            )


@dataclass(frozen=True)
class SampleConfig:
    """How to sample text. Raises `ConfigError` for a value outside its range."""

    max_new_tokens: Natural = 300
    """Tokens to write after the prompt."""
    temperature: NotNegative = 1.0
    """Logits are divided by it. 0: always the most likely token (greedy)."""
    top_k: Count | None = None
    """Keep only the k most likely tokens. None: all."""
    top_p: Share | None = None
    """Keep the fewest tokens whose probabilities reach p (Holtzman et al. 2020). None: all."""
    seed: Natural = 1
    """The token at position n is drawn with a random number that depends on (seed, n) alone."""

    def __post_init__(self) -> None:
        check_fields(self)
        if 0 < self.temperature < LOWEST_TEMPERATURE:  # logits divided by it would overflow
            raise ConfigError(
                f"temperature is {self.temperature!r}; "
                f"it must be 0 (greedy) or at least {LOWEST_TEMPERATURE:g}"
            )


@dataclass(frozen=True)
class RunLimits:
    """When a run stops early, what it measures, and what it keeps. None of this changes the
    weights.

    Raises `ConfigError` for a value outside its range.
    """

    max_seconds: Positive | None = None
    """Stop after this many seconds and save; --resume continues. None: no limit."""
    target_loss: Positive | None = None
    """Stop and save once the validation loss is this low, in nats per token. None: never."""
    keep_checkpoints: Count | None = None
    """Keep the N newest checkpoints and the best. None: all."""
    eval_windows: Count | None = None
    """Validate on N windows, spread over the validation split, instead of all of it, which takes a
    large model minutes. None: all."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Preset:
    """A named recipe: some fields of GPTConfig, a TrainConfig, and the tokenizer to use."""

    name: str
    model: dict[str, Any]
    train: TrainConfig
    tokenizer: str


def preset_names() -> list[str]:
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


@functools.cache
def _types(config: Any) -> dict[str, Any]:
    return get_type_hints(config, include_extras=True)


def check_fields(config: Any) -> None:
    """Raise `ConfigError` for the first field whose value does not match its type."""
    for name, kind in _types(config.__class__).items():
        value = getattr(config, name)
        try:  # NumPy's float64 is a float to Python, but not to msgspec
            msgspec.convert(float(value) if isinstance(value, float) else value, kind)
        except (msgspec.ValidationError, UnicodeEncodeError):  # a lone surrogate
            raise ConfigError(f"{name} is {value!r}; it must be {_described(kind)}") from None


def _described(kind: Any) -> str:
    for part in (kind, *get_args(kind)):  # X | None has the parts X and None
        for meta in getattr(part, "__metadata__", ()):
            return str(meta.description)
    return "true or false" if kind is bool else f"one of {', '.join(get_args(kind))}"
