"""The three backends have the same furniture: same classes, functions, arguments and local names.

Each file becomes an outline, one line for every class, function, argument and assigned name:

    CausalSelfAttention.forward             a function
    CausalSelfAttention.forward(cache)      its argument
    CausalSelfAttention.forward: att        a name assigned in it

Without the lines declared as differences, the three outlines must be equal. A declared difference
that no longer exists is an error, too.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from shared.protocol import BACKENDS
from shared.sources import ROOT

IMPLS = ROOT / "impls"

WITH_NAMES = {"model.py", "attention_steps.py"}
"""Files that are also compared inside functions. The others differ too much."""

# file | backends | lines of their outline, * for any part of one | why
TABLE = """
model.py    | numpy       | *.backward, cross_entropy_backward | the backward by hand
model.py    | numpy       | *.forward: self.saved              | what the backward needs
model.py    | numpy       | cross_entropy: *                   | no library to call
model.py    | numpy torch | SinusoidalEmbedding.__init__: *    | the table is computed once
model.py    | torch       | causal_mask(device)                | a tensor is made where one says
model.py    | torch       | GPT.__init__: self.lm_head.weight  | tied by assigning the parameter
model.py    | jax | *.__init__(dtype)                | nnx makes float32 unless told otherwise
model.py    | jax | *.__init__(rngs)                 | nnx layers draw their weights from it
model.py    | jax | *.__init__: options, *.__init__: norm | what every nnx layer must be given
model.py    | jax | SinusoidalEmbedding.*: *         | nnx would train a table in a module
optim.py    | numpy       | AdamW, SGD                   | torch.optim and optax have the optimizers
optim.py    | numpy       | clip_by_global_norm          | optax has the clipping
optim.py    | numpy torch | build_optimizer(parameters)  | the optimizer holds the parameters
optim.py    | torch       | clip_by_global_norm          | torch's own divides by norm + 1e-6
optim.py    | torch       | set_learning_rate            | the optimizer holds the learning rate
optim.py    | jax         | build_optimizer(learning_rate) | it is built again in each step
optim.py    | jax         | decays                       | optax asks it which tensors decay
optim.py    | jax         | adam_state                   | optax keeps the moments inside of a chain
dropout.py  | numpy torch | dropping                     | the modules are used again without masks
dropout.py  | jax         | drop                         | a module is made for one call
dropout.py  | numpy       | Dropout.backward             | autograd
step.py     | numpy torch | forward_backward             | gradients are left on the parameters
step.py     | jax         | loss_and_grads               | it returns the gradients
step.py     | numpy torch | train_step(gpt), train_step(optimizer) | the weights change in place
step.py     | numpy torch | train_step(grad_clip)        | clipping is not part of the optimizer
step.py     | numpy torch | train_step(accumulate)       | JAX compiles for one config
step.py     | jax         | loss_function                | JAX differentiates a function
step.py     | jax | train_step(graphdef), train_step(params)  | a function of arrays is compiled
step.py     | jax | train_step(optimizer_state)  | a function of arrays is compiled
step.py     | jax         | train_step(config)           | clipping is part of the optimizer
generate.py | torch       | forward                      | autograd's records are switched off in it
generate.py | jax         | forward, inverse_cdf         | a function of arrays is compiled
generate.py | jax         | Live         | it is handed the weights, which a step replaces
generate.py | jax         | room_for     | compiled code has fixed shapes, so a cache has one of few
cache.py    | numpy jax   | empty_cache(dtype)     | an array has no device, or jax.jit places it
cache.py    | jax         | empty_cache(size), KVCache.widen | compiled code reads all of a cache
cache.py    | torch       | empty_cache(like)      | a tensor has dtype and device
cache.py    | numpy torch | KVCache.__init__       | JAX takes a dataclass apart, and makes it again
trace.py    | numpy       | trace(gpt), recording        | modules record while they are told to
trace.py    | torch       | trace(gpt), recording, keep  | modules record while they have hooks
trace.py    | jax         | trace(graphdef), trace(params) | a function of arrays is compiled
backend.py  | numpy torch | canonical_parameters, Model.__init__(gpt) | a module holds its weights
backend.py  | torch       | Model.load_weights           | weights are copied into it
backend.py  | torch       | first_line                   | torch's errors are pages long
backend.py  | torch       | swap_layout, to_numpy, from_numpy, Model.tensor | arrays become tensors
backend.py  | jax         | abstract_model, canonical_name | a module comes apart for jax.jit
backend.py  | jax         | Model.__init__(graphdef), Model.__init__(params) | it comes apart
backend.py  | jax         | Model.__init__(config), Model.__init__(device)   | it comes apart
backend.py  | jax         | swap_layout, to_numpy, from_numpy | arrays move to the device
backend.py  | jax         | one_type                     | every integer type compiles again
bigram.py   | torch       | Bigram._loss                 | what autograd goes through backwards
bigram.py   | jax         | loss_function, train_step    | a function of arrays is compiled
bigram.py   | jax         | widened                      | every integer type compiles again
attention_steps.py | numpy     | attention_steps: parameter* | a layer is filled by assigning arrays
attention_steps.py | torch jax | attention_steps: x, attention_steps: value | arrays are converted
"""
DIFFERENCES = [[cell.strip() for cell in row.split("|")] for row in TABLE.strip().splitlines()]
FILES = sorted({file for file, *_ in DIFFERENCES})


def declared(file: str, backend: str) -> list[str]:
    rows = [row for row in DIFFERENCES if row[0] == file and backend in row[1].split()]
    return [line for _, _, lines, _ in rows for line in lines.split(", ")]


def outline(backend: str, file: str) -> list[str]:
    """The lines of a file, with the backend's own names for common things made common."""
    tree = ast.parse((IMPLS / backend / file).read_text(encoding="utf-8"))
    lines = _lines(tree, "", names=file in WITH_NAMES)
    return [line.replace(backend.capitalize(), "") for line in lines]


def _lines(node: ast.Module | ast.ClassDef, prefix: str, *, names: bool) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield prefix + part.name
            yield from _lines(part, f"{prefix}{part.name}.", names=names)
        elif isinstance(part, ast.FunctionDef):
            # nnx calls a module where torch calls its forward
            function = prefix + ("forward" if part.name == "__call__" else part.name)
            yield function
            yield from (f"{function}({argument})" for argument in _arguments(part))
            if names:
                yield from (f"{function}: {name}" for name in _assigned(part))


def _arguments(function: ast.FunctionDef) -> list[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [argument.arg for argument in every if argument]


def _assigned(function: ast.FunctionDef) -> list[str]:
    """Names and attributes that a function assigns; sorted, for torch's fast path comes first."""
    return sorted(
        {
            ast.unparse(part)
            for part in ast.walk(function)
            if isinstance(part, ast.Name | ast.Attribute) and isinstance(part.ctx, ast.Store)
        }
    )


def belongs_to(line: str, declared: str) -> bool:
    """Whether a line is the declared one or, where that is a class or function, inside of it."""
    return any(fnmatchcase(line, pattern) for pattern in (declared, f"{declared}[.(:]*"))


def common_lines(backend: str, file: str) -> list[str]:
    differences = declared(file, backend)
    lines = outline(backend, file)
    return [line for line in lines if not any(belongs_to(line, each) for each in differences)]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_backends_are_alike_but_for_declared_differences(file: str, backend: str) -> None:
    assert common_lines(backend, file) == common_lines("torch", file)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_declared_difference_is_one(file: str, backend: str) -> None:
    others = [set(outline(other, file)) for other in BACKENDS if other != backend]
    for line in declared(file, backend):
        found = {own for own in outline(backend, file) if fnmatchcase(own, line)}
        assert found, f"{line} is declared but not there"
        assert not found & set.intersection(*others), f"{line} is declared but in every backend"


def test_all_files_that_the_backends_share_are_compared() -> None:
    files = [{path.name for path in (IMPLS / backend).glob("*.py")} for backend in BACKENDS]
    alike = {"__init__.py", "train.py", "sample.py"}  # a few lines each
    assert set.intersection(*files) - alike <= set(FILES)


def test_every_backward_stands_directly_under_its_forward() -> None:
    lines = [line for line in outline("numpy", "model.py") if "(" not in line and ":" not in line]
    for forward, backward in (("forward", "backward"), ("cross_entropy", "cross_entropy_backward")):
        found = [i for i, line in enumerate(lines) if line.split(".")[-1] == forward]
        assert found
        for i in found:
            prefix = lines[i].removesuffix(forward)
            assert lines[i + 1 : i + 2] == [prefix + backward], f"below {lines[i]}"
