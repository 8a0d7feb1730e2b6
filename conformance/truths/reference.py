"""Drawing text, implemented again, slowly and from the definition."""

from collections.abc import Sequence

import numpy as np

from shared.config import SampleConfig
from shared.protocol import Model
from shared.randomness import uniform


def draw(logits: np.ndarray, u: float, config: SampleConfig) -> int:
    """The token that u in [0, 1) falls on, one token at a time. Rank the tokens by probability,
    equals by id, and keep the first top_k; of these, renormalised, keep the fewest whose
    probabilities reach top_p. Then divide [0, 1) in the order of the ids."""
    scores = [float(score) for score in logits]
    ranked = sorted(range(len(scores)), key=lambda token: (-scores[token], token))
    if config.temperature == 0:
        return ranked[0]
    weight = {token: np.exp((scores[token] - scores[ranked[0]]) / config.temperature)
              for token in ranked}  # fmt: skip
    kept = ranked[: config.top_k]
    if config.top_p is not None:
        total, reached, count = sum(weight[token] for token in kept), 0.0, 0
        while count < len(kept) and reached < config.top_p:
            reached += weight[kept[count]] / total
            count += 1
        kept = kept[:count]
    total = sum(weight[token] for token in kept)
    edge = 0.0
    for token in sorted(kept):
        edge += weight[token] / total
        if u < edge:
            return token
    return max(token for token in kept if weight[token] > 0)


def continue_text(model: Model, prompt: np.ndarray, config: SampleConfig) -> list[int]:
    """Tokens after the prompt, each from a full forward over the last block_size tokens."""
    tokens = prompt.tolist()
    for _ in range(config.max_new_tokens):
        logits = full_logits(model, tokens)
        tokens.append(draw(logits, uniform(config.seed, len(tokens)), config))
    return tokens[len(prompt) :]


def full_logits(model: Model, tokens: Sequence[int]) -> np.ndarray:
    """The logits after `tokens`, from a full forward over the last block_size of them. A short
    window is padded with zeros, which causality makes harmless: all lengths compile as one."""
    size = model.config.block_size
    window = list(tokens[-size:])
    padded = np.array([window + [0] * (size - len(window))])
    return model.logits(padded)[0, len(window) - 1]
