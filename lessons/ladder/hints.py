"""For every rung: a description, the files and functions of the exercise, and a hint.

A hint says where to look and what often goes wrong, never the line to write.
"""

from collections.abc import Iterator
from typing import NamedTuple

TEXT = """
= forward

embed: a row for the token, one for its place
nn.py Embedding.forward; model.py GPT.forward
An array of ids can index a table: one row comes back for every id. wte and wpe are both Embeddings;
the row of a position serves every text of the batch, so let it broadcast.

h.0.ln_1: each position to mean 0, variance 1
nn.py LayerNorm.forward; model.py Block.forward
Mean and variance run over the last axis alone, and keepdims keeps them broadcastable. The variance
divides by C. Where does epsilon stand: inside of the root or outside?

h.0.attn.q, k, v: what each seeks, offers, passes on
nn.py Linear.forward; model.py split_heads, Block.forward, CausalSelfAttention.forward
c_attn gives [B, T, 3C]: first all of q, then k, then v. A head owns D neighbouring channels, so C
has to be cut before T and H change places; one reshape cannot do both.

h.0.attn.scores: q kᵀ / √D: how well they match
model.py CausalSelfAttention.forward
In every head, each query meets each key: [T, D] times [D, T]; @ works on the last two axes. D is
the width of one head, not C. The mask comes after this tap.

h.0.attn.weights: softmax over what may be seen
nn.py softmax; model.py causal_mask, CausalSelfAttention.forward
Every row sums to 1, over the keys; row 0 sees key 0 alone, and itself every query sees. Put −inf in
the future before the softmax, not 0 after it.

h.0.attn.y: weighted sums of v, heads merged
model.py merge_heads, CausalSelfAttention.forward
Weights [T, S] times values [S, D]. To merge, the axes go back to [B, T, H, D] first; a reshape
alone would mix positions with heads.

h.0.attn: what attention adds to the stream
model.py CausalSelfAttention.forward
One more Linear, c_proj, and no residual here: that is the block's.

h.0.mlp: normalised, widened, bent, narrowed
model.py MLP.forward, Block.forward; nn.py gelu_tanh
ln_2 gets the stream x with attention's contribution added, not the normalised x. Then a Linear from
C to F, the activation, a Linear from F to C. gelu_tanh, the tanh form with 0.044715 x³, returns two
things: the value, and a tuple of what its derivative is to be given. See relu in nn.py.

h.0: the stream after the block
model.py Block.forward
The stream that already has attention's contribution, and the MLP's added to it.

h.1: all the same in the second block
model.py Block.forward
Nothing new is needed: the first block's code runs again on its output. What could it share with the
first block, or have changed in place?

logits: a score for every token
model.py GPT.forward
lm_head is a Parameter [V, C], its numbers in .value; every position's x is multiplied with every
row of it. There is no bias. ln_f and probs are given.

= loss

loss: mean of −ln p(target)
model.py cross_entropy
For each position pick out the logit of its target (np.take_along_axis). Natural logarithm; the mean
over all B·T positions, not the sum.

= gradients

lm_head: from the loss to the scores' weights
model.py cross_entropy_backward, GPT.backward
The loss is a mean, so its gradient carries 1/(B·T). The gradient has the shape of lm_head, [V, C],
and sums over all positions: rows() makes one matrix of them.

ln_f: gain and shift of the last norm
model.py GPT.backward; nn.py LayerNorm.backward
What arrives here is dlogits times lm_head. The gain multiplied the normalised x, so it is that, not
x, which its gradient is made of. Sum over positions, not over channels.

h.1.mlp: through the norm, into the MLP
nn.py LayerNorm.backward, Linear.backward, gelu_tanh_derivative; model.py MLP.backward
If c_proj is off, suspect LayerNorm's dx: the mean and the variance depend on x too, and both means
are over the channels. For c_fc, GELU takes a product rule, and u' has a 3 from x³. What
c_fc.backward returns goes into ln_2.backward, in the reverse order of the forward.

h.1.attn: past the MLP, into attention
nn.py softmax_backward; model.py Block.backward, CausalSelfAttention.backward
The stream's gradient has two parts: straight along the sum, and through MLP and norm. In c_attn,
the last index says which third is wrong: v needs attᵀ, q and k need softmax_backward and the same
1/√D as the scores; k needs dscores transposed. Join the thirds in their order. ln_1 comes last.

h.0: all the same in the first block
model.py Block.backward, GPT.backward
The last block is right, so it is what it hands on: the sum of the straight part and the part
through attention. The blocks are gone through from the last to the first.

wpe: the table of positions
nn.py Embedding.backward; model.py GPT.backward
One row of the table served the whole batch: sum over B first, [T, C].

wte: the table of tokens
nn.py Embedding.backward
The same token occurs at many places, and each adds its part. grad[ids] += dy looks right and keeps
one of each; np.add.at does not.

= optimizer

norm: √Σg² over all gradients
optim.py clip_by_global_norm
One norm over all tensors together, and the one before clipping is returned, as a float.

clip: a long gradient is cut to max_norm
optim.py clip_by_global_norm
Every gradient times the same factor, max_norm / norm, stored where SGD will read it: in place, or
back into parameter.grad.

no clip: a short gradient stays as it is
optim.py clip_by_global_norm
The factor is never above 1.

clip off: max_norm 0: no clipping
optim.py clip_by_global_norm
A max_norm of 0 does not mean that every gradient becomes 0.

moments: means of gradients and their squares
optim.py AdamW.step
The new gradient enters m with 1 − β₁, its square enters v with 1 − β₂. What is stored is not
divided by 1 − βᵗ, and the root comes later.

AdamW, 1 step: the weights after one update
optim.py AdamW.step
Four things to check: both corrections with t = 1, ε outside of the root, the decay multiplied by
the learning rate, and no decay on vectors.

AdamW, 20 steps: and after twenty
optim.py AdamW.step
One step is right, so it is what lasts from one to the next: t, and m and v, which must be kept
uncorrected.

= sampling

greedy: always the most likely token
generate.py sample_token
Nothing random, and no softmax is needed. An int.

seeded: drawn with a uniform number u
generate.py sample_token
Divide by the temperature before the softmax. Then walk along the ids, adding up probabilities
(np.cumsum), until the sum exceeds u (np.searchsorted; which side?).

top-k: of the k most likely only
generate.py sample_token
`ranked` has the largest first: what stays are k entries, the rest becomes 0.

top-p: of the fewest that reach p only
generate.py sample_token
The token with which the sum reaches p stays, so look at the sum before each token. Here top-k comes
first, and what it leaves must sum to 1 again.

cache: the past read from the cache
cache.py KVCache.extend; model.py causal_mask
If `start` positions are filled, keys and values go to start … start + T, and attention reads 0 …
start + T. Query i is at start + i: the mask is [T, S], no longer square.

cached: each new token costs one position
generate.py decode
Feed the prompt once, then every new token alone, [1, 1], with the same cache.

past the window: a text longer than block_size
generate.py decode
When more than block_size tokens are there, every one moves by a place, and nothing in the cache is
right any more: compute the last block_size tokens without it.

= variants

large numbers: scores whose exp overflows
nn.py softmax
exp(710) is infinite. Subtract the largest x of each row first; nothing else changes.

large loss: the same for the loss
model.py cross_entropy
log Σ exp(x) = m + log Σ exp(x − m), with m the largest x.

no biases: LayerNorm and Linear without biases
nn.py Linear, LayerNorm
With config.bias off, self.bias is None.

tied: lm_head is the token table
model.py GPT.backward; nn.py Embedding.backward
One parameter in two places receives two gradients: add_grad adds, an assignment loses the first. A
bias that is None has no gradient.

sinusoidal: positions by sine and cosine
model.py SinusoidalEmbedding
Sine in the even channels, cosine in the odd ones, the same wavelength in each pair, base 10000.
Position 0 is 0, 1, 0, 1, …

post-norm: normalise after each sum
model.py Block.forward
attn and mlp see the stream as it is; the taps ln_1 and ln_2 come after the sums.

post-norm grads: and backwards
model.py Block.backward
The norm stands last in the forward, so it is first here; then the sum gives its gradient to both
terms.
"""
"""Per rung: its name and description, the place, the hint. `=`: a section."""


class Hint(NamedTuple):
    """The help for a rung."""

    about: str
    where: str
    hint: str


def read_hints(text: str) -> Iterator[tuple[tuple[str, str], Hint]]:
    """Every hint, under the section and the name of its rung."""
    section = ""
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith("= "):
            section = paragraph.removeprefix("= ")
            continue
        heading, where, hint = paragraph.split("\n", 2)
        name, about = heading.split(": ", 1)
        yield (section, name), Hint(about, where, " ".join(hint.split()))


HINTS = dict(read_hints(TEXT))
