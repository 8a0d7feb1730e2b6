"""What is missing in the exercise: by file and function of the NumPy backend."""

WHOLE = {
    "nn.py Linear.forward": "y_o = Σ_i x_i W_io + b_o at every position; self.bias may be None. "
    "Keep in self.saved what the backward needs.",
    "nn.py Linear.backward": "dW = xᵀ dy and db = dy, both summed over all B·T positions: add_grad "
    "to weight and bias. Return dx = dy Wᵀ.",
    "nn.py Embedding.forward": "The table's row for every id, W[ids]. Keep in self.saved what the "
    "backward needs.",
    "nn.py Embedding.backward": "add_grad to weight: dW[r] = Σ dy over all places where the id is "
    "r. The same id may occur many times.",
    "nn.py LayerNorm.forward": "y = (x − μ) / √(σ² + ε) · weight + bias, with μ and σ² over the "
    "channels. σ² divides by C, not C − 1; self.bias may be None. Keep in self.saved what the "
    "backward needs.",
    "nn.py LayerNorm.backward": "With x̂ the normalised x, s = √(σ² + ε), g = dy · weight and means "
    "over the channels: dweight = Σ dy x̂ and dbias = Σ dy over all positions; return "
    "dx = (g − mean(g) − x̂ mean(g x̂)) / s.",
    "nn.py softmax": "p_j = exp(x_j) / Σ_k exp(x_k). It must bear x_j = −inf, which gives 0, and "
    "x_j = 10,000, whose exp overflows.",
    "nn.py softmax_backward": "dx from p and dp",
    "nn.py gelu_tanh": "The value, and a tuple of what you want to be given in "
    "gelu_tanh_derivative: x and the tanh, or change the arguments there. See relu below.",
    "nn.py gelu_tanh_derivative": "The derivative at x; u = √(2/π) (x + 0.044715 x³).",
    "model.py split_heads": "[B, T, C] → [B, T, H, D] → [B, H, T, D]",
    "model.py merge_heads": "[B, H, T, D] → [B, T, H, D] → [B, T, C]",
    "model.py causal_mask": "a matrix of truth values, [T, S]",
    "model.py MLP.forward": "dropout(c_proj(activation(c_fc(x))))",
    "model.py MLP.backward": "dx: the same four in reverse, each by its own backward",
    "model.py Block.backward": "dx. A sum hands its gradient to both of its terms. Last sublayer "
    "first; the original Transformer (post-norm) can wait.",
    "model.py SinusoidalEmbedding.__init__": "self.table, [block_size, C]: table[t, 2c] = "
    "sin(t / 10000^(2c/C)), table[t, 2c + 1] = cos of the same. Leave it for last.",
    "model.py cross_entropy": "As log Σ exp(logits) − logits[target], which neither overflows (if "
    "the largest is subtracted first) nor takes the logarithm of 0.",
    "model.py cross_entropy_backward": "dlogits",
    "optim.py clip_by_global_norm": "norm = √(Σ g²) over all gradients of all parameters together. "
    "If it is above max_norm, change every parameter.grad.",
    "optim.py AdamW.step": "Count in self.count: the first update has t = 1. Then change "
    "self.m[name], self.v[name] and parameter.value by parameter.grad. self.config has beta1, "
    "beta2, epsilon and weight_decay.",
    "cache.py KVCache.extend": "Write them into self.k and self.v behind the self.length positions "
    "that are filled, count these in, and return the keys and values up to here.",
}
"""Functions without a body: what to write, under NumPy's docstring."""

PARTS = {
    "model.py CausalSelfAttention.forward": {
        "np.split(self.c_attn(x), 3, axis=-1)": "c_attn(x), cut into three along the channels",
        "q @ k.mT / math.sqrt(q.shape[-1])": "q kᵀ / √D",
        "np.where(mask, -math.inf, scores)": "the scores, those of the future −inf",
        "softmax(att)": "softmax of that",
        "kept @ v": "the weighted sums of v",
        "self.c_proj(y)": "the projection c_proj of y",
    },
    "model.py CausalSelfAttention.backward": {
        "self.c_proj.backward(self.resid_dropout.backward(dy))": "back through dropout and c_proj",
        "self.attn_dropout.backward(dy @ v.mT)": "from y = kept v: dy vᵀ, back through dropout",
        "kept.mT @ dy": "keptᵀ dy",
        "softmax_backward(att, datt) / math.sqrt(q.shape[-1])": "back through softmax and √D",
        "dscores @ k": "from scores = q kᵀ: dscores k",
        "dscores.mT @ q": "dscoresᵀ q",
        "np.concatenate([merge_heads(dq), merge_heads(dk), merge_heads(dv)], axis=-1)": "the heads "
        "of dq, dk, dv merged, and these side by side again",
    },
    "model.py Block.forward": {
        "x + self.attn(self.ln_1(x), cache)": "x + attn(ln_1(x), cache): x and what attention adds",
        "x + self.mlp(self.ln_2(x))": "x + mlp(ln_2(x)): x and what the MLP adds",
        "self.ln_1(x + self.attn(x, cache))": "ln_1(x + attn(x, cache)); leave it for last",
        "self.ln_2(x + self.mlp(x))": "ln_2(x + mlp(x))",
    },
    "model.py GPT.forward": {
        "self.wte(tokens) + self.wpe(positions)": "the embeddings of tokens and positions, added",
        "x @ self.lm_head.value.T": "a score for every token: x lm_headᵀ",
    },
    "model.py GPT.backward": {
        "rows(dlogits).T @ rows(x)": "dlogitsᵀ x over all positions, [V, C]",
        "dlogits @ self.lm_head.value": "dlogits lm_head, [B, T, C]",
        "dx.sum(axis=0)": "the gradient by the positions' rows, [T, C]",
    },
    "generate.py sample_token": {
        "int(logits.argmax())": "greedy: the most likely token, as an int",
        "softmax(logits.astype(np.float64) / config.temperature)": "softmax(logits / temperature), "
        "in float64, [V]",
        "[config.top_k :] = 0\n        ranked /= ranked.sum()": "only the k most likely, and these "
        "sum to 1 again",
        "[before >= config.top_p] = 0  # never the first: nothing is before it": "only the fewest "
        "most likely that reach top_p (Holtzman et al. 2020)",
        'int(np.searchsorted(cdf, u * cdf[-1], side="right"))': "the id that u falls on, an int; "
        "cdf may end below 1",
    },
}
"""Functions with gaps: expressions of NumPy's, and what they are."""

DECODE = "generate.py decode"
SLOW = '''\
"""The tokens that follow `prompt`, each with the logits that it was drawn from.

This is correct but slow: every token recomputes the whole window. First write `sample_token`.
Then give the model a cache (`empty_cache` in cache.py), so that a token costs one position:
`model(tokens, cache)`. Once the window is full it slides, every position moves, and nothing
cached is right any more: from there on it has to be done as it is done here.
"""
block_size = model.config.block_size
tokens = prompt.tolist()
for position in range(len(prompt), len(prompt) + config.max_new_tokens):
    logits = model(np.array([tokens[-block_size:]]))  # [1, T, V]
    token = sample_token(logits[0, -1], uniform(config.seed, position), config)
    yield token, logits[0, -1]
    tokens.append(token)
'''
"""The body of `decode`: right, only slow."""

GAPS = (*WHOLE, *PARTS, DECODE)
"""What the reader writes."""

EDITS = {
    "model.py": {"The GPT in NumPy: every": "The GPT with its mathematics left out: every"},
    "backend.py": {
        "from .attention_steps import attention_steps\n": "",
        "from .bigram import Bigram as bigram\n": "",
        "from .bigram import count_bigrams\n": "",
        '"attention_steps", "bigram", "build", "count_bigrams"': '"build"',
        'name = "numpy"': 'name = "exercise"',
    },
}
"""By file: what else reads differently there."""

INIT = '''"""The exercise: the NumPy backend without its mathematics, which is for you to write.

Every gap is a call of `todo`, which says what belongs there. The ladder sees what modules return
and what goes through `tap`. Rewrite what you like, but keep these. `nox -s exercise` shows how far
you have come and what is next. Change the files here, or copy the folder, under any name, and climb
with the copy: `nox -s exercise -- --solution my_gpt`.
"""

from typing import Any


def todo(what: str) -> Any:
    """A gap. Put `what` in its place, as an expression or as many lines as you like."""
    raise NotImplementedError(what)
'''
