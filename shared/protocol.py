"""The protocol that a backend implements, and how to load one by name.

NumPy arrays go in and NumPy arrays come out; names and shapes are those of `shared.layout`. The
conformance suite, the training loop and the commands know backends only by this protocol.
"""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Integer

from shared.config import Dtype, GPTConfig, SampleConfig, TrainConfig
from shared.errors import BackendError, ConfigError, InputError
from shared.layout import tensor_shapes

BACKENDS = ("numpy", "torch", "jax")
PRECISIONS: tuple[str, ...] = ("float32", "float64")
"""The precisions of a backend that does not declare its `dtypes`."""

CAPABILITIES = {
    "trace": "trace",
    "grads": "loss_and_grads",
    "trainer": "trainer",
    "generate": "generate",
    "decode": "decode",
}
"""What a model may leave out, and the method it then lacks. The built-in models have them all."""


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step reports."""

    loss: float
    """Mean loss of the batch, in nats per token, before the update."""
    grad_norm: float
    """Global norm of the gradient, before clipping."""
    learning_rate: float
    """The learning rate that the update used."""


@dataclass(frozen=True)
class TrainState:
    """Everything needed to continue training, in canonical names and layout."""

    step: int
    """Updates done so far."""
    weights: dict[str, np.ndarray]
    moments: dict[str, dict[str, np.ndarray]]
    """AdamW: {"m": first moments, "v": second moments} by tensor name. SGD: empty."""


@runtime_checkable
class Trainer(Protocol):
    """A model together with its optimizer."""

    def step(
        self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
    ) -> StepResult: ...
    def state(self) -> TrainState: ...
    def load_state(self, state: TrainState) -> None: ...


@runtime_checkable
class Model(Protocol):
    """A GPT with weights. Tokens are integers [B, T], T ≤ block_size; others raise `InputError`.

    Your own model may lack the methods of `CAPABILITIES`: see `claimed`.
    """

    config: GPTConfig

    def logits(self, tokens: Int[np.ndarray, "B T"]) -> Float[np.ndarray, "B T V"]: ...
    def trace(self, tokens: Int[np.ndarray, "B T"]) -> dict[str, np.ndarray]: ...
    def loss(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float: ...
    def loss_and_grads(
        self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
    ) -> tuple[float, dict[str, np.ndarray]]: ...
    def weights(self) -> dict[str, np.ndarray]: ...
    def trainer(self, config: TrainConfig) -> Trainer: ...
    def generate(self, prompt: Int[np.ndarray, " T0"], config: SampleConfig) -> Iterator[int]: ...
    def decode(
        self, prompt: Int[np.ndarray, " T0"], config: SampleConfig
    ) -> Iterator[tuple[int, Float[np.ndarray, " V"]]]:
        """The tokens of `generate`, each with the logits that it was drawn from."""
        ...


@runtime_checkable
class Bigram(Protocol):
    """The baseline: a table [V, V] of scores for the next token, and its optimizer."""

    def table(self) -> Float[np.ndarray, "V V"]: ...
    def loss(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float: ...
    def loss_and_grad(
        self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
    ) -> tuple[float, Float[np.ndarray, "V V"]]: ...
    def step(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float: ...


@runtime_checkable
class BigramBackend(Protocol):
    """A backend that also has the baseline."""

    def bigram(
        self, table: Float[np.ndarray, "V V"], config: TrainConfig, dtype: str = "float32"
    ) -> Bigram: ...
    def count_bigrams(
        self, ids: Integer[np.ndarray, " N"], vocab_size: int
    ) -> Int[np.ndarray, "V V"]: ...


@runtime_checkable
class AttentionStepsBackend(Protocol):
    """A backend that also has the four steps from averaging to self-attention."""

    def attention_steps(
        self,
        x: Float[np.ndarray, "B T C"],
        weight: Float[np.ndarray, "C E"],
        bias: Float[np.ndarray, " E"],
    ) -> dict[str, np.ndarray]:
        """Every value listed by `shared.taps.step_names`, in the precision of x.

        `weight` and `bias` are one head's part of c_attn: queries, keys and values side by side,
        E = 3·D.
        """
        ...


@runtime_checkable
class Backend(Protocol):
    """A module (or object) that builds models.

    It may declare in `capabilities`, a tuple of keys of `CAPABILITIES`, what its models can do. The
    conformance suite then checks these and reports the rest as not offered. A backend without both
    float64 and float32 declares its `dtypes`, such as ("float32",); one that is slow to build
    declares `cases`, the names of the cases to run.
    """

    name: str

    def build(
        self,
        config: GPTConfig,
        weights: Mapping[str, np.ndarray],
        *,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> Model: ...


def load_backend(name: str) -> Backend:
    """Load a backend: "numpy", "torch", "jax", "exercise", or any import path. A mode or device
    after "@", as in "torch@compile", comes from the backend's module `modes`.

    Raises:
        BackendError: no such module, its framework is not installed, it is not a backend, or this
            machine lacks the mode.
    """
    name, at, mode = name.partition("@")
    if at:
        load_backend(name)  # reports first what the backend lacks
        path = f"impls.{name}.modes" if name in BACKENDS else f"{name}.modes"
        if not _exists(path):
            raise BackendError(f"backend {name!r} has no modes, and so no {mode!r}")
        return cast(Backend, importlib.import_module(path).mode(mode))
    path = f"impls.{name}" if name in (*BACKENDS, "exercise") else name
    module = _import(path, name)
    if not hasattr(module, "build") and _exists(f"{path}.backend"):
        module = _import(f"{path}.backend", name)
    if not callable(getattr(module, "build", None)) or not isinstance(
        getattr(module, "name", None), str
    ):
        raise BackendError(
            f"{module.__name__} is not a backend: it needs a string `name` and a function `build` "
            f"(see shared/protocol.py)"
        )
    claims = getattr(module, "capabilities", ())
    if isinstance(claims, str) or not set(claims) <= set(CAPABILITIES):
        known = ", ".join(map(repr, CAPABILITIES))
        raise BackendError(f"{module.__name__}: capabilities is {claims!r}, not a tuple of {known}")
    dtypes = getattr(module, "dtypes", PRECISIONS)
    if isinstance(dtypes, str) or not dtypes or not set(dtypes) <= set(get_args(Dtype)):
        known = ", ".join(map(repr, get_args(Dtype)))
        raise BackendError(f"{module.__name__}: dtypes is {dtypes!r}, not a tuple of {known}")
    return cast(Backend, module)


def claimed(backend: Backend, model: Model) -> frozenset[str]:
    """The keys of `CAPABILITIES` that a backend claims.

    Those in its attribute `capabilities`, if it has one, otherwise those whose methods its models
    have. So a method may simply be left out, but what is claimed and missing is an error.
    """
    has = [key for key, method in CAPABILITIES.items() if hasattr(model, method)]
    return frozenset(getattr(backend, "capabilities", has))


def precisions(backend: Backend) -> tuple[str, ...]:
    """The precisions that a backend is tested in: its attribute `dtypes`, or `PRECISIONS`."""
    return tuple(getattr(backend, "dtypes", PRECISIONS))


def _exists(path: str) -> bool:
    try:
        return importlib.util.find_spec(path) is not None
    except ModuleNotFoundError:
        return False


def _import(path: str, name: str) -> Any:
    """Import a backend's module, or explain in one line why it is unavailable."""
    if path == "impls.exercise" and not _exists(f"{path}.backend"):
        raise BackendError("impls/exercise is not written yet: `nox -s exercise` writes it")
    if not path or path.startswith(".") or not _exists(path):
        known = ", ".join(BACKENDS)
        raise BackendError(
            f"there is no backend {name!r}; there are {known}, or the import path of your own"
        )
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        group = name if name in BACKENDS else "the framework it needs"
        how = f"pip install --group {group}" if name in BACKENDS else f"install {group}"
        raise BackendError(
            f"backend {name!r} needs the package {error.name!r}, which is not installed: {how}"
        ) from error


def check_weights(config: GPTConfig, weights: Mapping[str, np.ndarray]) -> None:
    """Accept exactly the tensors of the manifest, in their shapes. Raises `InputError`, which
    names the first tensor that is missing, unknown or misshapen."""
    shapes = tensor_shapes(config)
    for name in [*shapes, *weights]:
        if name not in weights:
            raise InputError(f"weights: {name} {shapes[name]} is missing")
        if name not in shapes:
            raise InputError(f"weights: {name} is no tensor of this model")
        if weights[name].shape != shapes[name]:
            raise InputError(
                f"weights: {name} has shape {weights[name].shape}, the model needs {shapes[name]}"
            )


def check_state(config: GPTConfig, train: TrainConfig, state: TrainState) -> None:
    """Accept only a state that a trainer of this model and optimizer can continue from. Raises
    `InputError` if a tensor, among weights or moments, is missing, unknown or misshapen, or the
    step is not a whole number, 0 or more."""
    check_weights(config, state.weights)
    wanted = {"m", "v"} if train.optimizer == "adamw" else set()
    if set(state.moments) != wanted:
        found = ", ".join(sorted(state.moments)) or "none"
        raise InputError(
            f"the state has moments {found}; {train.optimizer} needs "
            f"{', '.join(sorted(wanted)) or 'none'}"
        )
    for moments in state.moments.values():
        check_weights(config, moments)
    if isinstance(state.step, bool) or not isinstance(state.step, int) or state.step < 0:
        raise InputError(
            f"the state's step is {state.step!r}; it must be a whole number, 0 or more"
        )


def check_dtype(dtype: str, known: Sequence[str] = PRECISIONS) -> None:
    """Raise `ConfigError` for a precision that the backend lacks."""
    if dtype not in known:
        raise ConfigError(f"dtype is {dtype!r}; it must be one of {', '.join(known)}")


def check_device(device: str) -> None:
    """Raise `ConfigError` for any device but the processor, in a backend that has no other."""
    if device != "cpu":
        raise ConfigError(f"device is {device!r}; this backend has only 'cpu'")


def check_tokens(config: GPTConfig, tokens: np.ndarray, targets: np.ndarray | None = None) -> None:
    """Input validation: every backend accepts only what all backends treat alike.

    Out-of-range ids, for example, are an error in NumPy and torch, but clamped or NaN in JAX.

    Raises:
        InputError: not [B, T], not integers, empty, T > block_size, an id outside the vocabulary,
            or targets of another shape than tokens.
    """
    for what, ids in (("tokens", tokens), ("targets", targets)):
        if ids is None:
            continue
        if not isinstance(ids, np.ndarray) or not np.issubdtype(ids.dtype, np.integer):
            found = ids.dtype if isinstance(ids, np.ndarray) else type(ids).__name__
            raise InputError(f"{what} must be a NumPy array of integers, not {found}")
        if ids.ndim != 2 or ids.size == 0:
            raise InputError(f"{what} must have shape [B, T] and not be empty; found {ids.shape}")
        if ids.shape[1] > config.block_size:
            raise InputError(
                f"{what} has {ids.shape[1]} positions; block_size is {config.block_size}"
            )
        if ids.min() < 0 or ids.max() >= config.vocab_size:
            bad = ids.min() if ids.min() < 0 else ids.max()
            raise InputError(f"{what} holds id {bad}; vocab_size is {config.vocab_size}")
    if targets is not None and targets.shape != tokens.shape:
        raise InputError(f"targets have shape {targets.shape}, tokens {tokens.shape}")


def check_prompt(config: GPTConfig, prompt: np.ndarray) -> None:
    """The same for a prompt, [T0], which may be longer than the window but not empty."""
    if not isinstance(prompt, np.ndarray) or prompt.ndim != 1 or prompt.size == 0:
        found = prompt.shape if isinstance(prompt, np.ndarray) else type(prompt).__name__
        raise InputError(f"a prompt must have shape [T0] and at least one token; found {found}")
    for start in range(0, len(prompt), config.block_size):
        check_tokens(config, prompt[None, start : start + config.block_size])
