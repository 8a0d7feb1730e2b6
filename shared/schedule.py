"""The learning rate at each step."""

import math

from shared.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of update number `step`, counted from 0.

    Linear warm-up over `warmup_steps` updates, starting above zero so that no update is wasted;
    then constant, or a half cosine from `learning_rate` down towards `min_lr`, which it would reach
    at update number `steps` (Loshchilov & Hutter 2017, §3, without restarts). Past the end the
    cosine schedule stays at `min_lr`.
    """
    peak, floor = config.learning_rate, config.min_lr
    if step < config.warmup_steps:
        return peak * (step + 1) / (config.warmup_steps + 1)
    if config.schedule == "constant":
        return peak
    if step >= config.steps:
        return floor
    progress = (step - config.warmup_steps) / (config.steps - config.warmup_steps)
    return floor + 0.5 * (peak - floor) * (1.0 + math.cos(math.pi * progress))
