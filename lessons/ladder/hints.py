"""For every rung: a description, the place of its code, and a hint."""

from lessons.ladder.hint import Hint
from lessons.ladder.hints_forward import FORWARD, LOSS

GRADIENTS = {
    "lm_head": Hint(
        "from the loss to the scores' weights",
        "model.py cross_entropy_backward, GPT.backward",
        "The loss is a mean, so its gradient carries 1/(B·T). The gradient has the shape of "
        "lm_head, [V, C], and sums over all positions: rows() makes one matrix of them.",
    ),
    "ln_f": Hint(
        "gain and shift of the last norm",
        "model.py GPT.backward; nn.py LayerNorm.backward",
        "What arrives here is dlogits times lm_head. The gain multiplied the normalised x, so it "
        "is that, not x, which its gradient is made of. Sum over positions, not over channels.",
    ),
    "h.1.mlp.c_proj": Hint(
        "through the norm, into the MLP",
        "nn.py LayerNorm.backward, Linear.backward; model.py Block.backward, MLP.backward",
        "Weight [in, out] = inputᵀ times dy. If the numbers are off, suspect LayerNorm's dx: the "
        "mean and the variance depend on x too, and both means are over the channels.",
    ),
    "h.1.mlp.c_fc": Hint(
        "through the activation",
        "nn.py gelu_tanh_derivative; model.py MLP.backward",
        "Linear's dx = dy Wᵀ, then the derivative of GELU. A product rule: x stands in front of "
        "the bracket and inside of it. u' has a 3 from x³.",
    ),
    "h.1.ln_2": Hint(
        "the norm before the MLP",
        "model.py Block.backward",
        "What c_fc.backward returns goes into ln_2.backward, in the reverse order of the forward.",
    ),
    "h.1.attn.c_proj": Hint(
        "past the MLP, into attention",
        "model.py Block.backward, CausalSelfAttention.backward",
        "The stream's gradient has two parts: what came straight along the sum, and what came "
        "through MLP and norm.",
    ),
    "h.1.attn.c_attn": Hint(
        "through the softmax to q, k and v",
        "nn.py softmax_backward; model.py CausalSelfAttention.backward",
        "The last index says which third is wrong: v needs attᵀ, q and k need softmax_backward and "
        "the same 1/√D as the scores; k needs dscores transposed. Join the thirds in their order.",
    ),
    "h.1.ln_1": Hint(
        "the norm before attention",
        "model.py Block.backward",
        "What c_attn.backward returns, as the backward of attention, goes into ln_1.backward.",
    ),
    "h.0": Hint(
        "all the same in the first block",
        "model.py Block.backward, GPT.backward",
        "The last block is right, so it is what it hands on: the sum of the straight part and the "
        "part through attention. The blocks are gone through from the last to the first.",
    ),
    "wpe": Hint(
        "the table of positions",
        "nn.py Embedding.backward; model.py GPT.backward",
        "One row of the table served the whole batch: sum over B first, [T, C].",
    ),
    "wte": Hint(
        "the table of tokens",
        "nn.py Embedding.backward",
        "The same token occurs at many places, and each adds its part. grad[ids] += dy looks right "
        "and keeps one of each; np.add.at does not.",
    ),
}

OPTIMIZER = {
    "norm": Hint(
        "√Σg² over all gradients",
        "optim.py clip_by_global_norm",
        "One norm over all tensors together, and the one before clipping is returned, as a float.",
    ),
    "clip": Hint(
        "a long gradient is cut to max_norm",
        "optim.py clip_by_global_norm",
        "Every gradient times the same factor, max_norm / norm, stored where SGD will read it: "
        "in place, or back into parameter.grad.",
    ),
    "no clip": Hint(
        "a short gradient stays as it is",
        "optim.py clip_by_global_norm",
        "The factor is never above 1.",
    ),
    "clip off": Hint(
        "max_norm 0: no clipping",
        "optim.py clip_by_global_norm",
        "A max_norm of 0 does not mean that every gradient becomes 0.",
    ),
    "m": Hint(
        "the mean of the gradients",
        "optim.py AdamW.step",
        "The new gradient enters with 1 − β₁. What is stored is not divided by 1 − βᵗ.",
    ),
    "v": Hint(
        "the mean of their squares",
        "optim.py AdamW.step",
        "With the other β. What is stored is not divided by 1 − βᵗ, and the root comes later.",
    ),
    "AdamW, 1 step": Hint(
        "the weights after one update",
        "optim.py AdamW.step",
        "Four things to check: both corrections with t = 1, ε outside of the root, the decay "
        "multiplied by the learning rate, and no decay on vectors.",
    ),
    "AdamW, 20 steps": Hint(
        "and after twenty",
        "optim.py AdamW.step",
        "One step is right, so it is what lasts from one to the next: t, and m and v, which must "
        "be kept uncorrected.",
    ),
}

SAMPLING = {
    "greedy": Hint(
        "always the most likely token",
        "generate.py sample_token",
        "Nothing random, and no softmax is needed. An int.",
    ),
    "seeded": Hint(
        "drawn with a uniform number u",
        "generate.py sample_token",
        "Divide by the temperature before the softmax. Then walk along the ids, adding up "
        "probabilities (np.cumsum), until the sum exceeds u (np.searchsorted; which side?).",
    ),
    "top-k": Hint(
        "of the k most likely only",
        "generate.py sample_token",
        "`ranked` has the largest first: what stays are k entries, the rest becomes 0.",
    ),
    "top-p": Hint(
        "of the fewest that reach p only",
        "generate.py sample_token",
        "The token with which the sum reaches p stays, so look at the sum before each token. Here "
        "top-k comes first, and what it leaves must sum to 1 again.",
    ),
    "cache": Hint(
        "the past read from the cache",
        "cache.py KVCache.extend; model.py causal_mask",
        "If `start` positions are filled, keys and values go to start … start + T, and attention "
        "reads 0 … start + T. Query i is at start + i: the mask is [T, S], no longer square.",
    ),
    "cached": Hint(
        "each new token costs one position",
        "generate.py decode",
        "Feed the prompt once, then every new token alone, [1, 1], with the same cache.",
    ),
    "past the window": Hint(
        "a text longer than block_size",
        "generate.py decode",
        "When more than block_size tokens are there, every one moves by a place, and nothing in "
        "the cache is right any more: compute the last block_size tokens without it.",
    ),
}

VARIANTS = {
    "large numbers": Hint(
        "scores whose exp overflows",
        "nn.py softmax",
        "exp(710) is infinite. Subtract the largest x of each row first; nothing else changes.",
    ),
    "large loss": Hint(
        "the same for the loss",
        "model.py cross_entropy",
        "log Σ exp(x) = m + log Σ exp(x − m), with m the largest x.",
    ),
    "no biases": Hint(
        "LayerNorm and Linear without biases",
        "nn.py Linear, LayerNorm",
        "With config.bias off, self.bias is None.",
    ),
    "tied": Hint(
        "lm_head is the token table",
        "model.py GPT.backward; nn.py Embedding.backward",
        "One parameter in two places receives two gradients: add_grad adds, an assignment loses "
        "the first. A bias that is None has no gradient.",
    ),
    "sinusoidal": Hint(
        "positions by sine and cosine",
        "model.py SinusoidalEmbedding",
        "Sine in the even channels, cosine in the odd ones, the same wavelength in each pair, base "
        "10000. Position 0 is 0, 1, 0, 1, …",
    ),
    "post-norm": Hint(
        "normalise after each sum",
        "model.py Block.forward",
        "attn and mlp see the stream as it is; the taps ln_1 and ln_2 come after the sums.",
    ),
    "post-norm grads": Hint(
        "and backwards",
        "model.py Block.backward",
        "The norm stands last in the forward, so it is first here; then the sum gives its gradient "
        "to both terms.",
    ),
}

HINTS = {
    (section, name): hint
    for section, hints in (
        ("forward", FORWARD),
        ("loss", LOSS),
        ("gradients", GRADIENTS),
        ("optimizer", OPTIMIZER),
        ("sampling", SAMPLING),
        ("variants", VARIANTS),
    )
    for name, hint in hints.items()
}
