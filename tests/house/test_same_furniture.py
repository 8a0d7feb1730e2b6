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

IN_PLACE = {
    "gradients are left on the parameters": ["forward_backward"],
    "the weights change in place": [f"train_step({x})" for x in ("gpt", "optimizer", "grad_clip")],
}

# file: backend: why it differs: lines of its outline, * for any part of one
DIFFERENCES: dict[str, dict[str, dict[str, list[str]]]] = {
    "model.py": {
        "numpy": {
            "the backward by hand": ["*.backward", "cross_entropy_backward"],
            "what the backward needs": ["*.forward: self.saved"],
            "no library to call": ["cross_entropy: *"],
            "the table is computed once": ["SinusoidalEmbedding.__init__: *"],
        },
        "torch": {
            "the table is computed once": ["SinusoidalEmbedding.__init__: *"],
            "a tensor is made where one says": ["causal_mask(device)"],
            "modules are tied by assigning the parameter": ["GPT.__init__: self.lm_head.weight"],
        },
        "jax": {
            "nnx makes float32 unless told otherwise": ["*.__init__(dtype)"],
            "nnx layers draw their weights from it": ["*.__init__(rngs)"],
            "what every nnx layer must be given": ["*.__init__: options", "*.__init__: norm"],
            "a table in a module would be a parameter to nnx; XLA folds it into the program": [
                "SinusoidalEmbedding.__init__: *",
                "SinusoidalEmbedding.forward: *",
            ],
        },
    },
    "optim.py": {
        "numpy": {
            "torch.optim and optax have the optimizers": ["AdamW", "SGD"],
            "optax has the clipping": ["clip_by_global_norm"],
            "the optimizer holds the parameters": ["build_optimizer(parameters)"],
        },
        "torch": {
            "torch's own clipping divides by norm + 1e-6": ["clip_by_global_norm"],
            "the optimizer holds the parameters": ["build_optimizer(parameters)"],
            "the optimizer holds the learning rate": ["set_learning_rate"],
        },
        "jax": {
            "it is built again in each step": ["build_optimizer(learning_rate)"],
            "optax asks a function which tensors decay": ["decays"],
            "optax keeps the moments inside of a chain": ["adam_state"],
        },
    },
    "step.py": {
        "numpy": IN_PLACE,
        "torch": IN_PLACE,
        "jax": {
            "JAX differentiates a function": ["loss_function"],
            "what is compiled is a function of arrays": [
                *("train_step(graphdef)", "train_step(params)", "train_step(optimizer_state)")
            ],
            "clipping is part of the optimizer": ["train_step(config)"],
        },
    },
    "generate.py": {
        "numpy": {},
        "torch": {"autograd's records are switched off in here": ["forward"]},
        "jax": {
            "what is compiled is a function of arrays": ["forward", "inverse_cdf"],
            "what is compiled is handed the weights, which a step replaces": ["Live"],
        },
    },
    "cache.py": {
        "numpy": {
            "an array has no device": ["empty_cache(dtype)"],
            "JAX takes a dataclass apart, and puts it together again": ["KVCache.__init__"],
        },
        "torch": {
            "a tensor has dtype and device": ["empty_cache(like)"],
            "JAX takes a dataclass apart, and puts it together again": ["KVCache.__init__"],
        },
        "jax": {"jax.jit places an array itself": ["empty_cache(dtype)"]},
    },
    "trace.py": {
        "numpy": {"modules record while they are told to": ["trace(gpt)", "recording"]},
        "torch": {"modules record while they have hooks": ["trace(gpt)", "recording", "keep"]},
        "jax": {"what is compiled is a function of arrays": ["trace(graphdef)", "trace(params)"]},
    },
    "backend.py": {
        "numpy": {
            "a module holds its weights": ["canonical_parameters", "Model.__init__(gpt)"],
        },
        "torch": {
            "a module holds its weights": ["canonical_parameters", "Model.__init__(gpt)"],
            "weights are copied into it": ["Model.load_weights"],
            "torch's errors are pages long": ["first_line"],
            "arrays become tensors": ["swap_layout", "to_numpy", "from_numpy", "Model.tensor"],
        },
        "jax": {
            "a module comes apart for jax.jit": [
                *("abstract_model", "canonical_name", "Model.__init__(config)"),
                *("Model.__init__(graphdef)", "Model.__init__(params)", "Model.__init__(device)"),
            ],
            "arrays move to the device": ["swap_layout", "to_numpy", "from_numpy"],
            "every integer type compiles again": ["one_type"],
        },
    },
    "bigram.py": {
        "numpy": {},
        "torch": {"what autograd goes through backwards": ["Bigram._loss"]},
        "jax": {
            "what is compiled is a function of arrays": ["loss_function", "train_step"],
            "every integer type compiles again": ["widened"],
        },
    },
    "attention_steps.py": {
        "numpy": {
            "a layer is filled by assigning arrays": [
                f"attention_steps: {name}" for name in ("parameter", "parameter.value")
            ]
        },
        "torch": {"arrays become tensors": ["attention_steps: x", "attention_steps: value"]},
        "jax": {"arrays become JAX's": ["attention_steps: x", "attention_steps: value"]},
    },
}


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
    declared = [line for lines in DIFFERENCES[file][backend].values() for line in lines]
    return [
        line
        for line in outline(backend, file)
        if not any(belongs_to(line, difference) for difference in declared)
    ]


@pytest.mark.parametrize("file", DIFFERENCES)
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_backends_are_alike_but_for_declared_differences(file: str, backend: str) -> None:
    assert common_lines(backend, file) == common_lines("torch", file)


@pytest.mark.parametrize("file", DIFFERENCES)
def test_every_declared_difference_is_one(file: str) -> None:
    outlines = {backend: outline(backend, file) for backend in BACKENDS}
    for backend, reasons in DIFFERENCES[file].items():
        for line in (line for lines in reasons.values() for line in lines):
            found = [own for own in outlines[backend] if fnmatchcase(own, line)]
            assert found, f"{backend}: {line} is declared but not there"
            for own in found:
                everywhere = all(own in outlines[other] for other in BACKENDS)
                assert not everywhere, f"{backend}: {own} is declared but in every backend"


def test_all_files_that_the_backends_share_are_compared() -> None:
    files = [{path.name for path in (IMPLS / backend).glob("*.py")} for backend in BACKENDS]
    alike = {"__init__.py", "train.py", "sample.py"}  # a few lines each
    assert set.intersection(*files) - alike <= set(DIFFERENCES)


def test_every_backward_stands_directly_under_its_forward() -> None:
    lines = [line for line in outline("numpy", "model.py") if "(" not in line and ":" not in line]
    for forward, backward in (("forward", "backward"), ("cross_entropy", "cross_entropy_backward")):
        found = [i for i, line in enumerate(lines) if line.split(".")[-1] == forward]
        assert found
        for i in found:
            prefix = lines[i].removesuffix(forward)
            assert lines[i + 1 : i + 2] == [prefix + backward], f"below {lines[i]}"


def test_an_outline_has_what_is_compared() -> None:
    lines = outline("jax", "model.py")
    assert "CausalSelfAttention.forward" in lines  # __call__ there
    assert "CausalSelfAttention.forward(cache)" in lines
    for name in ("q", "k", "v", "att", "y", "scores", "mask"):
        assert f"CausalSelfAttention.forward: {name}" in lines
