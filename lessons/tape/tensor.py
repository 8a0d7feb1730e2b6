"""Automatic differentiation: what `loss.backward()` does (Griewank & Walther 2008, chapter 3).

Each operation computes its result, and records for each of its inputs how a gradient goes back: a
function from the gradient with respect to the result to that with respect to the input. `backward`
follows the records from the loss to the weights, the newest first.
"""

import math
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

Record = tuple["Tensor", Callable[[np.ndarray], np.ndarray]]
CLOCK = count()


class Tensor:
    """An array that knows what it was computed from."""

    def __init__(self, data: np.ndarray, *records: Record) -> None:
        self.data, self.records = data, records
        self.time = next(CLOCK)
        self.grad: Any = None

    def backward(self) -> None:
        """Set `grad` of every tensor that this one, a single number, was computed from."""
        newest_first = sorted(ancestors(self), key=lambda tensor: -tensor.time)
        for tensor in newest_first:
            tensor.grad = None
        self.grad = np.ones_like(self.data)
        for tensor in newest_first:
            for source, back in tensor.records:
                grad = sum_to(back(tensor.grad), source.data.shape)
                source.grad = grad if source.grad is None else source.grad + grad

    def __add__(self, other: Any) -> "Tensor":
        b = constant(other)
        return Tensor(self.data + b.data, (self, lambda g: g), (b, lambda g: g))

    def __mul__(self, other: Any) -> "Tensor":
        b = constant(other)
        back = (self, lambda g: g * b.data), (b, lambda g: g * self.data)
        return Tensor(self.data * b.data, *back)

    def __matmul__(self, b: "Tensor") -> "Tensor":
        back = (self, lambda g: g @ b.data.mT), (b, lambda g: self.data.mT @ g)
        return Tensor(self.data @ b.data, *back)

    def __pow__(self, p: float) -> "Tensor":
        return self.each(self.data**p, p * self.data ** (p - 1))

    def __sub__(self, other: Any) -> "Tensor":
        return self + constant(other) * -1.0

    def __truediv__(self, other: Any) -> "Tensor":
        return self * constant(other) ** -1.0

    def __getitem__(self, index: Any) -> "Tensor":
        def back(g: np.ndarray) -> np.ndarray:
            grad = np.zeros(self.data.shape)
            np.add.at(grad, index, g)  # a row that was taken twice receives both gradients
            return grad

        return Tensor(self.data[index], (self, back))

    def each(self, value: np.ndarray, slope: np.ndarray) -> "Tensor":
        """A function applied to every number on its own, and its derivative."""
        return Tensor(value, (self, lambda g: g * slope))

    def exp(self) -> "Tensor":
        value = np.exp(self.data)
        return self.each(value, value)

    def log(self) -> "Tensor":
        return self.each(np.log(self.data), 1 / self.data)

    def tanh(self) -> "Tensor":
        value = np.tanh(self.data)
        return self.each(value, 1 - value**2)

    def erf(self) -> "Tensor":
        slope = 2 / math.sqrt(math.pi) * np.exp(-(self.data**2))
        return self.each(np.vectorize(math.erf)(self.data), slope)

    def sum(self) -> "Tensor":
        """Sum over the last axis, which stays, with size 1."""
        ones = np.ones_like(self.data)
        return Tensor(self.data.sum(axis=-1, keepdims=True), (self, lambda g: g * ones))

    def reshape(self, *shape: int) -> "Tensor":
        return Tensor(self.data.reshape(shape), (self, lambda g: g.reshape(self.data.shape)))

    def swap(self, i: int, j: int) -> "Tensor":
        """With two axes exchanged."""
        return Tensor(self.data.swapaxes(i, j), (self, lambda g: g.swapaxes(i, j)))


def constant(value: Any) -> Tensor:
    """A number or an array as a tensor; a tensor as it is."""
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value))


def sum_to(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What was broadcast was used many times; its gradient is the sum over its copies."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    return grad.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True)


def ancestors(last: Tensor) -> set[Tensor]:
    """A tensor, and all that it was computed from."""
    found, waiting = {last}, [last]
    while waiting:
        new = {source for source, _ in waiting.pop().records} - found
        found |= new
        waiting += new
    return found
