"""Hints for the forward pass and the loss."""

from lessons.ladder.hint import Hint

FORWARD = {
    "embed": Hint(
        "a row for the token, one for its place",
        "nn.py Embedding.forward; model.py GPT.forward",
        "An array of ids can index a table: one row comes back for every id. wte and wpe are both "
        "Embeddings; the row of a position serves every text of the batch, so let it broadcast.",
    ),
    "h.0.ln_1": Hint(
        "each position to mean 0, variance 1",
        "nn.py LayerNorm.forward",
        "Mean and variance run over the last axis alone, and keepdims keeps them broadcastable. "
        "The variance divides by C. Where does epsilon stand: inside of the root or outside?",
    ),
    "h.0.attn.q": Hint(
        "queries: what each position looks for",
        "nn.py Linear.forward; model.py split_heads, CausalSelfAttention.forward",
        "c_attn gives [B, T, 3C]: first all of q, then k, then v. A head owns D neighbouring "
        "channels, so C has to be cut before T and H change places; one reshape cannot do both.",
    ),
    "h.0.attn.k": Hint(
        "keys: what each position offers",
        "model.py CausalSelfAttention.forward",
        "The second third of what c_attn gives, cut into heads like q.",
    ),
    "h.0.attn.v": Hint(
        "values: what each position passes on",
        "model.py CausalSelfAttention.forward",
        "The last third of what c_attn gives, cut into heads like q.",
    ),
    "h.0.attn.scores": Hint(
        "q kᵀ / √D: how well they match",
        "model.py CausalSelfAttention.forward",
        "In every head, each query meets each key: [T, D] times [D, T]; @ works on the last two "
        "axes. D is the width of one head, not C. The mask comes after this tap.",
    ),
    "h.0.attn.weights": Hint(
        "softmax over what may be seen",
        "nn.py softmax; model.py causal_mask, CausalSelfAttention.forward",
        "Every row sums to 1, over the keys; row 0 sees key 0 alone, and itself every query sees. "
        "Put −inf in the future before the softmax, not 0 after it.",
    ),
    "h.0.attn.y": Hint(
        "weighted sums of v, heads merged",
        "model.py merge_heads, CausalSelfAttention.forward",
        "Weights [T, S] times values [S, D]. To merge, the axes go back to [B, T, H, D] first; a "
        "reshape alone would mix positions with heads.",
    ),
    "h.0.attn": Hint(
        "what attention adds to the stream",
        "model.py CausalSelfAttention.forward",
        "One more Linear, c_proj, and no residual here: that is the block's.",
    ),
    "h.0.ln_2": Hint(
        "the stream after attention, normalised",
        "model.py Block.forward",
        "LayerNorm is right already, so look at what goes in: the stream x itself with attention's "
        "contribution added, not the normalised x.",
    ),
    "h.0.mlp.fc": Hint(
        "widened to F channels",
        "model.py MLP.forward",
        "A Linear from C to F.",
    ),
    "h.0.mlp.act": Hint(
        "bent: tanh GELU",
        "nn.py gelu_tanh; model.py MLP.forward",
        "The tanh form with 0.044715 x³, on every number. It returns two things: the value, and a "
        "tuple of what its derivative is to be given. See relu in nn.py.",
    ),
    "h.0.mlp": Hint(
        "narrowed to C channels again",
        "model.py MLP.forward",
        "A Linear from F to C, and nothing after it.",
    ),
    "h.0": Hint(
        "the stream after the block",
        "model.py Block.forward",
        "The stream that already has attention's contribution, and the MLP's added to it.",
    ),
    "h.1": Hint(
        "all the same in the second block",
        "model.py Block.forward",
        "Nothing new is needed: the first block's code runs again on its output. What could it "
        "share with the first block, or have changed in place?",
    ),
    "ln_f": Hint(
        "the stream, normalised a last time",
        "model.py GPT.forward",
        "Given. If it is wrong, something has been changed between the last block and here.",
    ),
    "logits": Hint(
        "a score for every token",
        "model.py GPT.forward",
        "lm_head is a Parameter [V, C], its numbers in .value; every position's x is multiplied "
        "with every row of it. There is no bias.",
    ),
    "probs": Hint(
        "the scores as probabilities",
        "model.py GPT.forward",
        "Given: the softmax of the logits over the vocabulary, the last axis.",
    ),
}

LOSS = {
    "loss": Hint(
        "mean of −ln p(target)",
        "model.py cross_entropy",
        "For each position pick out the logit of its target (np.take_along_axis). Natural "
        "logarithm; the mean over all B·T positions, not the sum.",
    ),
}
