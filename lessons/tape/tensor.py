"""Reverse-mode automatic differentiation: what `loss.backward()` does (Griewank & Walther 2008, §3).

Each operation computes its result with NumPy, and records how a gradient goes back: for every input, a
function from the gradient with respect to the result to the gradient with respect to that input.
`backward` follows the records from the loss to the weights, the newest first.
"""

import math
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

Array = np.ndarray
Records = list[tuple["Tensor", Callable[[Array], Array]]]
CLOCK = count()


class Tensor:
    """An array that knows what it was computed from."""

    def __init__(self, data: Array, records: Records | None = None) -> None:
        self.data, self.records = data, records or []
        self.time = next(CLOCK)
        self.grad: Any = None

    def backward(self) -> None:
        """Set `grad` of every tensor that this one, a single number, was computed from."""
        self.grad = np.ones_like(self.data)
        for tensor in sorted(ancestors(self), key=lambda tensor: tensor.time, reverse=True):
            for source, back in tensor.records:
                grad = back(tensor.grad)
                source.grad = grad if source.grad is None else source.grad + grad

    def __add__(self, other: Any) -> "Tensor":
        a, b = self, tensor(other)
        return Tensor(
            a.data + b.data,
            [(a, lambda g: sum_to(g, a.data.shape)), (b, lambda g: sum_to(g, b.data.shape))],
        )

    def __mul__(self, other: Any) -> "Tensor":
        a, b = self, tensor(other)
        return Tensor(
            a.data * b.data,
            [
                (a, lambda g: sum_to(g * b.data, a.data.shape)),
                (b, lambda g: sum_to(g * a.data, b.data.shape)),
            ],
        )

    def __matmul__(self, other: "Tensor") -> "Tensor":
        a, b = self, other
        return Tensor(
            a.data @ b.data,
            [
                (a, lambda g: sum_to(g @ b.data.mT, a.data.shape)),
                (b, lambda g: sum_to(a.data.mT @ g, b.data.shape)),
            ],
        )

    def __pow__(self, p: float) -> "Tensor":
        return self.each(self.data**p, p * self.data ** (p - 1))

    def __sub__(self, other: Any) -> "Tensor":
        return self + tensor(other) * -1.0

    def __truediv__(self, other: Any) -> "Tensor":
        return self * tensor(other) ** -1.0

    def __getitem__(self, index: Any) -> "Tensor":
        def back(g: Array) -> Array:
            grad = np.zeros_like(self.data)
            np.add.at(grad, index, g)  # a row that was taken twice gets both gradients
            return grad

        return Tensor(self.data[index], [(self, back)])

    def each(self, value: Array, slope: Array) -> "Tensor":
        """The result of a function of every number alone, with its derivative."""
        return Tensor(value, [(self, lambda g: g * slope)])

    def exp(self) -> "Tensor":
        value = np.exp(self.data)
        return self.each(value, value)

    def log(self) -> "Tensor":
        return self.each(np.log(self.data), 1 / self.data)

    def tanh(self) -> "Tensor":
        value = np.tanh(self.data)
        return self.each(value, 1 - value**2)

    def erf(self) -> "Tensor":
        value = np.vectorize(math.erf)(self.data)
        return self.each(value, 2 / math.sqrt(math.pi) * np.exp(-(self.data**2)))

    def sum(self) -> "Tensor":
        """Over the last axis, which stays, with one place."""
        shape = self.data.shape
        total = self.data.sum(axis=-1, keepdims=True)
        return Tensor(total, [(self, lambda g: np.broadcast_to(g, shape))])

    def mean(self) -> "Tensor":
        return self.sum() / self.data.shape[-1]

    def reshape(self, *shape: int) -> "Tensor":
        return Tensor(self.data.reshape(shape), [(self, lambda g: g.reshape(self.data.shape))])

    def swap(self, i: int, j: int) -> "Tensor":
        """With two axes exchanged."""
        return Tensor(self.data.swapaxes(i, j), [(self, lambda g: g.swapaxes(i, j))])


def tensor(value: Any) -> Tensor:
    """A constant as a tensor; a tensor as it is."""
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value))


def sum_to(grad: Array, shape: tuple[int, ...]) -> Array:
    """The gradient with respect to an array that was broadcast: summed over its copies."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    copied = tuple(i for i, size in enumerate(shape) if size == 1)
    return grad.sum(axis=copied, keepdims=True)


def ancestors(last: Tensor) -> set[Tensor]:
    """This tensor, and all that it was computed from."""
    found, waiting = {last}, [last]
    while waiting:
        new = {source for source, _ in waiting.pop().records} - found
        found |= new
        waiting += new
    return found
