"""The adapter from the PyTorch backend to the protocol in shared/protocol.py."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from shared.allocator import keep_freed_memory
from shared.config import Dtype, GPTConfig, SampleConfig, TrainConfig, weight_dtype
from shared.dropout import dropout_masks
from shared.errors import ConfigError
from shared.protocol import (
    StepResult,
    TrainState,
    check_dtype,
    check_prompt,
    check_state,
    check_tokens,
    check_weights,
)
from shared.schedule import learning_rate
from .generate import decode, generate
from .model import GPT, cross_entropy
from .optim import build_optimizer
from .road.attention_steps import attention_steps
from .road.bigram import Bigram as bigram
from .road.bigram import count_bigrams
from .runtime import parallel
from .runtime.precision import compute_in_bfloat16
from .runtime.trace import trace
from .step import forward_backward, train_step

__all__ = ["attention_steps", "bigram", "build", "count_bigrams", "name", "parallel"]

name = "torch"

MOMENTS = {"m": "exp_avg", "v": "exp_avg_sq"}  # the paper's letters, torch's names


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> "TorchModel":
    """Build a model with a copy of `weights`. Raises `UserError` for unusable arguments."""
    check_weights(config, weights)
    check_dtype(dtype, get_args(Dtype))
    place = find_device(device)
    with NoInitialValues():
        gpt = GPT(config).to(device=place, dtype=getattr(torch, weight_dtype(dtype)))
    if dtype == "bfloat16":
        compute_in_bfloat16(gpt, place)
    model = TorchModel(gpt)
    model.load_weights(weights)
    return model


class NoInitialValues(TorchFunctionMode):
    """Skip the layers' initial values: drawing GPT-2's takes a second, and they are overwritten."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") != "torch.nn.init":
            return func(*args, **(kwargs or {}))


def find_device(name: str) -> torch.device:
    """The device of that name. Raises `ConfigError` if this machine or this torch lacks it."""
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("it keeps shapes and no values")
        if device.type == "cpu" and device.index:  # torch accepts any index
            raise RuntimeError("the processor is one device, cpu")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a missing device
        reason = str(error).partition("\n")[0].partition(". ")[0]  # some list every device
        raise ConfigError(f"device {name!r} cannot be used by torch: {reason}") from None
    return device


def canonical_parameters(gpt: GPT) -> dict[str, torch.nn.Parameter]:
    """The parameters by canonical name; named_parameters yields a tied one once, as wte."""
    return {
        path if path.startswith("lm_head") else f"transformer.{path}": parameter
        for path, parameter in gpt.named_parameters()
    }


def swap_layout(key: str, value: np.ndarray) -> np.ndarray:
    """Canonical linears are (in, out), torch's (out, in); lm_head is [V, C] in both."""
    return value.T if key.endswith((".c_attn.weight", ".c_fc.weight", ".c_proj.weight")) else value


def to_numpy(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Copies in canonical layout."""
    return {
        key: np.array(swap_layout(key, tensor.detach().cpu().numpy()), order="C")
        for key, tensor in tensors.items()
    }


def from_numpy(value: np.ndarray) -> Tensor:
    """A copy, in any memory layout: torch rejects negative strides and foreign byte orders."""
    return torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("="), order="C"))


class TorchModel:
    """`shared.protocol.Model` for the PyTorch backend."""

    def __init__(self, gpt: GPT) -> None:
        self.gpt = gpt
        self.config = gpt.config
        self.parameters = canonical_parameters(gpt)

    def tensor(self, ids: np.ndarray) -> Tensor:
        """Copy token ids to the model's device; cross-entropy needs int64."""
        return torch.from_numpy(np.array(ids, np.int64)).to(self.gpt.wte.weight.device)

    @torch.inference_mode()
    def logits(self, tokens: np.ndarray) -> np.ndarray:
        check_tokens(self.config, tokens)
        return self.gpt(self.tensor(tokens)).cpu().numpy()

    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        check_tokens(self.config, tokens)
        taps = trace(self.gpt, self.tensor(tokens))
        return {  # some share memory, and NumPy has no bfloat16
            tap: (value.float() if value.dtype == torch.bfloat16 else value).cpu().numpy().copy()
            for tap, value in taps.items()
        }

    @torch.inference_mode()
    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        check_tokens(self.config, tokens, targets)
        return cross_entropy(self.gpt(self.tensor(tokens)), self.tensor(targets)).item()

    def loss_and_grads(
        self, tokens: np.ndarray, targets: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        check_tokens(self.config, tokens, targets)
        loss = forward_backward(self.gpt, self.tensor(tokens), self.tensor(targets))
        return loss.item(), to_numpy({key: p.grad for key, p in self.parameters.items()})

    def weights(self) -> dict[str, np.ndarray]:
        return to_numpy(self.parameters)

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        for key, parameter in self.parameters.items():
            parameter.copy_(from_numpy(swap_layout(key, weights[key])))

    def trainer(self, config: TrainConfig) -> "TorchTrainer":
        return TorchTrainer(self, config)

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        check_prompt(self.config, prompt)
        return generate(self.gpt, prompt.copy(), config)

    def decode(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        check_prompt(self.config, prompt)
        found = decode(self.gpt, prompt.copy(), config)
        return ((token, logits.cpu().numpy().copy()) for token, logits in found)


class TorchTrainer:
    """`shared.protocol.Trainer` for the PyTorch backend."""

    def __init__(self, model: TorchModel, config: TrainConfig) -> None:
        keep_freed_memory()
        self.model, self.config = model, config
        self.gpt = parallel.add_up(model.gpt)
        self.optimizer = build_optimizer(list(model.parameters.values()), config)
        self.count = 0

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> StepResult:
        check_tokens(self.model.config, tokens, targets)
        model, lr = self.model, learning_rate(self.config, self.count)
        ids = model.tensor(tokens), model.tensor(targets)
        clip, accumulate = self.config.grad_clip, self.config.accumulate
        drawn = dropout_masks(model.config, self.config.seed, self.count, *tokens.shape)
        weight = model.gpt.wte.weight  # masks get its dtype: products would convert booleans
        masks = {site: torch.from_numpy(mask).to(weight) for site, mask in drawn.items()}
        loss, norm = train_step(self.gpt, self.optimizer, *ids, lr, clip, accumulate, masks)
        self.count += 1
        return StepResult(loss.item(), norm.item(), lr)

    def state(self) -> TrainState:
        moments: dict[str, dict[str, np.ndarray]] = {}
        if self.config.optimizer == "adamw":
            slots = self.optimizer.state
            for letter, slot in MOMENTS.items():
                moments[letter] = to_numpy(
                    {  # a parameter has no slot before its first step
                        key: slots[p][slot] if p in slots else torch.zeros_like(p)
                        for key, p in self.model.parameters.items()
                    }
                )
        return TrainState(self.count, self.model.weights(), moments)

    def load_state(self, state: TrainState) -> None:
        check_state(self.model.config, self.config, state)
        self.model.load_weights(state.weights)
        self.count = state.step
        if self.config.optimizer == "adamw":
            for key, p in self.model.parameters.items():
                slots = {"step": torch.tensor(float(state.step), device=p.device)}
                for letter, slot in MOMENTS.items():
                    value = from_numpy(swap_layout(key, state.moments[letter][key]))
                    slots[slot] = value.to(dtype=p.dtype, device=p.device)
                self.optimizer.state[p] = slots
