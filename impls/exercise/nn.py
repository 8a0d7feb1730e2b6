"""The layers below the model. Given: what holds parameters together. Yours: what computes.

Every forward keeps in `self.saved` what its backward will need; every backward takes the gradient
of the loss by its output, adds to the gradients of its parameters, and returns the gradient by its
input. Shapes: N = B·T rows, I inputs, O outputs, C channels. `dx` is the gradient of the loss by x.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from shared.taps import NO_TAP, Tap


def todo(what: str) -> Any:
    """A gap. Put `what` in its place, as an expression or as many lines as you like."""
    raise NotImplementedError(what)


# Given


class Parameter:
    """An array that is trained, and the gradient of the loss by it."""

    def __init__(self, *shape: int) -> None:
        self.value = np.zeros(shape, dtype=np.float32)
        self.grad: Any = None

    def add_grad(self, grad: np.ndarray) -> None:
        """Add: a parameter that is used twice (a tied embedding) receives from both places."""
        self.grad = grad if self.grad is None else self.grad + grad


class Module:
    """Something with parameters, submodules and a forward."""

    saved: Any = None
    tap: Tap = NO_TAP

    def __call__(self, *args: Any) -> Any:
        return self.tap("", self.forward(*args))  # recorded during a trace: see trace.py

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Everything below this module by its dotted name, depth first."""
        for name, value in vars(self).items():
            children = enumerate(value) if isinstance(value, list) else [(None, value)]
            for i, child in children:
                path = f"{prefix}{name}" if i is None else f"{prefix}{name}.{i}"
                yield path, child
                if isinstance(child, Module):
                    yield from child.walk(f"{path}.")

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module, under "", and all below it by their dotted names."""
        yield "", self
        yield from ((path, child) for path, child in self.walk() if isinstance(child, Module))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters below this module by their dotted names, each once."""
        seen: set[int] = set()
        for path, child in self.walk():
            if isinstance(child, Parameter) and id(child) not in seen:
                seen.add(id(child))
                yield path, child

    def astype(self, dtype: str) -> None:
        """Turn every parameter and table below this module into `dtype`."""
        for _, parameter in self.named_parameters():
            parameter.value = parameter.value.astype(dtype)
        for _, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, np.ndarray):
                    setattr(module, name, value.astype(dtype))


def rows(x: Float[np.ndarray, "*N C"]) -> Float[np.ndarray, "N C"]:
    """The same numbers as a matrix with one row per position."""
    return x.reshape(-1, x.shape[-1])


def sum_rows(x: Float[np.ndarray, "*N C"]) -> Float[np.ndarray, " C"]:
    """Sum over all positions."""
    return rows(x).sum(axis=0)


# Yours


class Linear(Module):
    """y = x W + b, with W stored (in, out) as in GPT-2's files."""

    def __init__(self, n_in: int, n_out: int, bias: bool) -> None:
        self.weight = Parameter(n_in, n_out)
        self.bias = Parameter(n_out) if bias else None

    def forward(self, x: Float[np.ndarray, "B T I"]) -> Float[np.ndarray, "B T O"]:
        """y_o = Σ_i x_i W_io + b_o at every position; `self.bias` may be None."""
        return todo("x W + b; keep in self.saved what the backward needs")

    def backward(self, dy: Float[np.ndarray, "B T O"]) -> Float[np.ndarray, "B T I"]:
        """dW = xᵀ dy and db = dy, both summed over all B·T positions; dx = dy Wᵀ."""
        return todo("add_grad to weight and bias, return dx")


class Embedding(Module):
    """Row number `ids` of a table."""

    def __init__(self, n_rows: int, n_embd: int) -> None:
        self.weight = Parameter(n_rows, n_embd)

    def forward(self, ids: Int[np.ndarray, "*N"]) -> Float[np.ndarray, "*N C"]:
        """y = W[ids]: the table's row for every id."""
        return todo("the rows; keep in self.saved what the backward needs")

    def backward(self, dy: Float[np.ndarray, "*N C"]) -> None:
        """dW[r] = Σ dy over all places where the id is r. The same id may occur many times."""
        todo("add_grad to weight")


class LayerNorm(Module):
    """Normalise each position to mean 0 and variance 1, then scale and shift (Ba et al. 2016)."""

    def __init__(self, n_embd: int, epsilon: float, bias: bool) -> None:
        self.epsilon = epsilon
        self.weight = Parameter(n_embd)
        self.bias = Parameter(n_embd) if bias else None

    def forward(self, x: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        """y = (x − μ) / √(σ² + ε) · weight + bias, with μ and σ² over the channels.

        σ² divides by C, not C − 1; `self.bias` may be None.
        """
        return todo("y; keep in self.saved what the backward needs")

    def backward(self, dy: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        """With x̂ the normalised x, s = √(σ² + ε), g = dy · weight and means over the channels:

        dweight = Σ dy x̂ and dbias = Σ dy over all positions; dx = (g − mean(g) − x̂ mean(g x̂)) / s
        """
        return todo("add_grad to weight and bias, return dx")


def softmax(x: Float[np.ndarray, "*N S"]) -> Float[np.ndarray, "*N S"]:
    """p_j = exp(x_j) / Σ_k exp(x_k) along the last axis.

    It must bear x_j = −inf (which gives 0) and x_j = 10,000 (whose exp overflows): the same number
    subtracted from all x leaves p as it is.
    """
    return todo("exp(x) / Σ exp(x) along the last axis")


def softmax_backward(
    p: Float[np.ndarray, "*N S"], dp: Float[np.ndarray, "*N S"]
) -> Float[np.ndarray, "*N S"]:
    """dx_j = p_j (dp_j − Σ_k p_k dp_k): raising one score lowers all the other probabilities."""
    return todo("dx from p and dp")


def gelu_tanh(x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks & Gimpel 2016, §2).

    Returns the value, and what you want to be given in `gelu_tanh_derivative`. See `relu` below.
    """
    return todo("the value, (x, and whatever else the derivative can use)")


def gelu_tanh_derivative(x: np.ndarray, *kept: np.ndarray) -> np.ndarray:
    """0.5 (1 + tanh u + x (1 − tanh² u) u'), u = √(2/π) (x + 0.044715 x³) and u' = du/dx."""
    return todo("the derivative at x")


# Given: the other two activations, and how they are called


class Activation(Module):
    """A function applied to every number on its own, and its derivative."""

    def __init__(self, function: Callable, derivative: Callable) -> None:
        self.function, self.derivative = function, derivative

    def forward(self, x: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
        y, self.saved = self.function(x)
        return y

    def backward(self, dy: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
        return self.derivative(*self.saved) * dy  # the chain rule


def relu(x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    return np.maximum(x, 0), (x,)


def relu_derivative(x: np.ndarray) -> np.ndarray:
    return (x > 0).astype(x.dtype)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of every number. NumPy has none, so it borrows Python's."""
    return np.array([math.erf(v) for v in x.ravel().tolist()], dtype=x.dtype).reshape(x.shape)


def gelu_erf(x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """x Φ(x), where Φ(x) = 0.5 (1 + erf(x/√2)) is the normal distribution (same paper, §2)."""
    phi = 0.5 * (1 + erf(x / math.sqrt(2)))
    return x * phi, (x, phi)


def gelu_erf_derivative(x: np.ndarray, phi: np.ndarray) -> np.ndarray:
    return phi + x * np.exp(-0.5 * (x * x)) / math.sqrt(2 * math.pi)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "gelu_tanh": (gelu_tanh, gelu_tanh_derivative),
    "gelu_erf": (gelu_erf, gelu_erf_derivative),
    "relu": (relu, relu_derivative),
}
