"""Wrong solutions of the exercise: one line of a right one changed, and the expected message."""

from typing import NamedTuple


class Mistake(NamedTuple):
    file: str
    old: str
    new: str
    rung: str
    told: str
    """Words that the learner must see."""


MISTAKES = {
    "swapped q and k": Mistake(
        "model.py",
        "q, k, v = np.split(",
        "k, q, v = np.split(",
        "h.0.attn.q, k, v",
        "would be right for h.0.attn.k",
    ),
    "mask off by one": Mistake(
        "model.py",
        "return j[None, :] > start",
        "return j[None, :] > 1 + start",
        "h.0.attn.weights",
        "expected 0, at",
    ),
    "wrong shape": Mistake(
        "model.py", "y = att @ v", "y = (att @ v)[:, :1]", "h.0.attn.y", "shape [3, 11, 6]"
    ),
    "NaN": Mistake(
        "nn.py",
        "    y *= 0.5\n",
        "    y *= math.nan\n",
        "h.0.mlp",
        "1320 of 1320 entries are NaN or infinite; the first is nan at [0, 0, 0]",
    ),
    "sys.exit": Mistake(
        "model.py",
        "return (log_sum - chosen).mean()",
        "raise SystemExit('bye')",
        "loss",
        "SystemExit: bye",
    ),
    "repeated ids": Mistake(
        "nn.py",
        "grad[unique] = np.add.reduceat(dy[order], starts, axis=0)",
        "grad[ids] += dy",
        "wte",
        "expected",
    ),
    "no t": Mistake("optim.py", "self.count += 1", "self.count = 1", "AdamW, 20 steps", "expected"),
    "a float for a token": Mistake(
        "generate.py",
        "return int(logits.argmax())",
        "return float(logits.argmax())",
        "greedy",
        "a token must be a whole number",
    ),
    "a window too far": Mistake(
        "generate.py",
        "if len(tokens) <= block_size:",
        "if len(tokens) <= block_size + 1:",
        "past the window",
        "raised",
    ),
    "exp overflows": Mistake(
        "nn.py",
        "e = np.exp(x - x.max(axis=-1, keepdims=True))",
        "e = np.exp(x)",
        "large numbers",
        "NaN or infinite",
    ),
}
