"""The layers that torch.nn and flax.nnx provide for the other two backends.

Every forward keeps in `self.saved` what its backward needs. Every backward takes the gradient of
the loss with respect to its output, adds to the gradients of its parameters, and returns that with
respect to its input. Shapes: N = B·T rows, I inputs, O outputs, C channels.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from shared.taps import NO_TAP, Tap


class Parameter:
    """A trainable array and its gradient."""

    def __init__(self, *shape: int) -> None:
        self.value = np.zeros(shape, dtype=np.float32)
        self.grad: Any = None

    def add_grad(self, grad: np.ndarray) -> None:
        """Accumulate: a parameter that is used twice (a tied embedding) receives two gradients."""
        self.grad = grad if self.grad is None else self.grad + grad


class Module:
    """Something with parameters, submodules and a forward."""

    saved: Any = None
    tap: Tap = NO_TAP

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.tap("", self.forward(*args, **options))  # recorded during a trace

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
        """This module, as "", and all below it, by dotted name."""
        yield "", self
        yield from ((path, child) for path, child in self.walk() if isinstance(child, Module))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters below this module by dotted name, each once."""
        seen: set[int] = set()
        for path, child in self.walk():
            if isinstance(child, Parameter) and id(child) not in seen:
                seen.add(id(child))
                yield path, child

    def astype(self, dtype: str) -> None:
        """Convert every parameter and table below this module to `dtype`."""
        for _, parameter in self.named_parameters():
            parameter.value = parameter.value.astype(dtype, copy=False)
        for _, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, np.ndarray):
                    setattr(module, name, value.astype(dtype))


class Linear(Module):
    """y = x W + b, with W stored (in, out) as in GPT-2's files."""

    def __init__(self, n_in: int, n_out: int, bias: bool) -> None:
        self.weight = Parameter(n_in, n_out)
        self.bias = Parameter(n_out) if bias else None

    def forward(self, x: Float[np.ndarray, "B T I"]) -> Float[np.ndarray, "B T O"]:
        self.saved = x
        y = rows(x) @ self.weight.value  # one large product instead of B small ones
        if self.bias is not None:
            y += self.bias.value
        return y.reshape(*x.shape[:-1], -1)

    def backward(self, dy: Float[np.ndarray, "B T O"]) -> Float[np.ndarray, "B T I"]:
        x = self.saved
        self.weight.add_grad(rows(x).T @ rows(dy))
        if self.bias is not None:
            self.bias.add_grad(sum_rows(dy))  # it was added to every row
        return (rows(dy) @ self.weight.value.T).reshape(x.shape)


class Embedding(Module):
    """Look up rows of a table by their ids."""

    def __init__(self, n_rows: int, n_embd: int) -> None:
        self.weight = Parameter(n_rows, n_embd)

    def forward(self, ids: Int[np.ndarray, "*N"]) -> Float[np.ndarray, "*N C"]:
        self.saved = ids
        return self.weight.value[ids]

    def backward(self, dy: Float[np.ndarray, "*N C"]) -> None:
        """Sum the gradients of equal ids. `grad[ids] += dy` would keep one of each and lose the
        rest; `np.add.at` is correct but slow; sorting brings equal ids together."""
        ids, dy = self.saved.ravel(), rows(dy)
        order = np.argsort(ids, kind="stable")
        unique, starts = np.unique(ids[order], return_index=True)
        grad = np.zeros_like(self.weight.value)
        grad[unique] = np.add.reduceat(dy[order], starts, axis=0)
        self.weight.add_grad(grad)


class LayerNorm(Module):
    """Normalise each position to mean 0 and variance 1, then scale and shift (Ba et al. 2016)."""

    def __init__(self, n_embd: int, epsilon: float, bias: bool) -> None:
        self.epsilon = epsilon
        self.weight = Parameter(n_embd)
        self.bias = Parameter(n_embd) if bias else None

    def forward(self, x: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        x = x - mean(x)
        std = np.sqrt(mean(x * x) + self.epsilon)  # [B, T, 1]; the variance divides by C, not C − 1
        x = x / std
        self.saved = x, std
        y = x * self.weight.value
        return y if self.bias is None else y + self.bias.value

    def backward(self, dy: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        x, std = self.saved  # x is already normalised
        self.weight.add_grad(sum_rows(dy * x))
        if self.bias is not None:
            self.bias.add_grad(sum_rows(dy))
        dx = dy * self.weight.value
        return (dx - mean(dx) - x * mean(dx * x)) / std  # the mean and the variance depend on x too


def rows(x: Float[np.ndarray, "*N C"]) -> Float[np.ndarray, "N C"]:
    """The same numbers as a matrix with one row per position."""
    return x.reshape(-1, x.shape[-1])


def sum_rows(x: Float[np.ndarray, "*N C"]) -> Float[np.ndarray, " C"]:
    """Sum over all positions."""
    # rows(x).sum(axis=0), as a product with a row of ones: BLAS sums faster.
    return np.ones(rows(x).shape[0], dtype=x.dtype) @ rows(x)


def mean(x: Float[np.ndarray, "*N C"]) -> Float[np.ndarray, "*N 1"]:
    """Mean over the channels."""
    # x.mean(axis=-1, keepdims=True), as a product: BLAS sums faster.
    C = x.shape[-1]
    return x @ np.full((C, 1), 1 / C, dtype=x.dtype)


def softmax(x: Float[np.ndarray, "*N S"]) -> Float[np.ndarray, "*N S"]:
    """exp(x) / Σ exp(x) along the last axis. Subtracting the largest x does not change the result,
    but keeps exp from overflowing; −inf becomes exactly 0."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    return e


def softmax_backward(
    p: Float[np.ndarray, "*N S"], dp: Float[np.ndarray, "*N S"]
) -> Float[np.ndarray, "*N S"]:
    """dx_j = p_j (dp_j − Σ_k p_k dp_k): raising one score lowers all the other probabilities."""
    # p * (dp - (p * dp).sum(axis=-1, keepdims=True)), without the array p * dp
    return p * (dp - np.einsum("...s,...s->...", p, dp)[..., None])


class Activation(Module):
    """An elementwise function and its derivative."""

    def __init__(self, function: Callable, derivative: Callable) -> None:
        self.function, self.derivative = function, derivative

    def forward(self, x: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
        y, self.saved = self.function(x)
        return y

    def backward(self, dy: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
        dx = self.derivative(*self.saved)
        dx *= dy
        return dx


def gelu_tanh(x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks & Gimpel 2016, §2).

    In place where possible, here and below: allocating a large array costs more than computing it.
    """
    c = math.sqrt(2 / math.pi)
    # tanh = np.tanh(c * (x + 0.044715 * x**3)); y = 0.5 * x * (1 + tanh)
    tanh = x * x  # x**3 is 280 times slower
    tanh *= 0.044715 * c
    tanh += c
    tanh *= x  # √(2/π) (x + 0.044715 x³)
    np.tanh(tanh, out=tanh)
    y = 1 + tanh
    y *= x
    y *= 0.5
    return y, (x, tanh)


def gelu_tanh_derivative(x: np.ndarray, tanh: np.ndarray) -> np.ndarray:
    """0.5 (1 + tanh u + x (1 − tanh² u) u'), where u' = √(2/π) (1 + 3 · 0.044715 x²)."""
    c = math.sqrt(2 / math.pi)
    # slope = 0.5 * (1 + tanh + x * (1 - tanh**2) * c * (1 + 3 * 0.044715 * x**2))
    slope = x * x
    slope *= 3 * 0.044715 * c
    slope += c  # u'
    slope *= x
    square = tanh * tanh
    np.subtract(1, square, out=square)
    slope *= square
    slope += tanh
    slope += 1
    slope *= 0.5
    return slope


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, elementwise. NumPy has none, so this calls Python's."""
    return np.array([math.erf(v) for v in x.ravel().tolist()], dtype=x.dtype).reshape(x.shape)


def gelu_erf(x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """x Φ(x), where Φ(x) = 0.5 (1 + erf(x/√2)) is the normal distribution (same paper, §2)."""
    phi = 0.5 * (1 + erf(x / math.sqrt(2)))
    return x * phi, (x, phi)


def gelu_erf_derivative(x: np.ndarray, phi: np.ndarray) -> np.ndarray:
    return phi + x * np.exp(-0.5 * (x * x)) / math.sqrt(2 * math.pi)


def relu(x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    return np.maximum(x, 0), (x,)


def relu_derivative(x: np.ndarray) -> np.ndarray:
    return (x > 0).astype(x.dtype)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "gelu_tanh": (gelu_tanh, gelu_tanh_derivative),
    "gelu_erf": (gelu_erf, gelu_erf_derivative),
    "relu": (relu, relu_derivative),
}
