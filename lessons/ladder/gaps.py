"""What the exercise has in place of the NumPy backend's mathematics."""

GAPS = {
    "nn.py Linear.forward": '''
        """y_o = Σ_i x_i W_io + b_o at every position; `self.bias` may be None."""
        return todo("x W + b; keep in self.saved what the backward needs")
    ''',
    "nn.py Linear.backward": '''
        """dW = xᵀ dy and db = dy, both summed over all B·T positions; dx = dy Wᵀ."""
        return todo("add_grad to weight and bias, return dx")
    ''',
    "nn.py Embedding.forward": '''
        """y = W[ids]: the table's row for every id."""
        return todo("the rows; keep in self.saved what the backward needs")
    ''',
    "nn.py Embedding.backward": '''
        """dW[r] = Σ dy over all places where the id is r. The same id may occur many times."""
        todo("add_grad to weight")
    ''',
    "nn.py LayerNorm.forward": '''
        """y = (x − μ) / √(σ² + ε) · weight + bias, with μ and σ² over the channels.

        σ² divides by C, not C − 1; `self.bias` may be None.
        """
        return todo("y; keep in self.saved what the backward needs")
    ''',
    "nn.py LayerNorm.backward": '''
        """With x̂ the normalised x, s = √(σ² + ε), g = dy · weight and means over the channels:

        dweight = Σ dy x̂ and dbias = Σ dy over all positions;
        dx = (g − mean(g) − x̂ mean(g x̂)) / s
        """
        return todo("add_grad to weight and bias, return dx")
    ''',
    "nn.py softmax": '''
        """p_j = exp(x_j) / Σ_k exp(x_k) along the last axis.

        It must bear x_j = −inf (which gives 0) and x_j = 10,000 (whose exp overflows): the same
        number subtracted from all x leaves p as it is.
        """
        return todo("exp(x) / Σ exp(x) along the last axis")
    ''',
    "nn.py softmax_backward": 'return todo("dx from p and dp")',
    "nn.py gelu_tanh": '''
        """0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks & Gimpel 2016, §2).

        Returns the value, and what you want to be given in `gelu_tanh_derivative`: x and the
        tanh, or change the arguments there. See `relu` below.
        """
        return todo("the value, (x, and whatever else the derivative can use)")
    ''',
    "nn.py gelu_tanh_derivative": '''
        """0.5 (1 + tanh u + x (1 − tanh² u) u'), u = √(2/π) (x + 0.044715 x³) and u' = du/dx."""
        return todo("the derivative at x")
    ''',
    "model.py split_heads": 'return todo("[B, T, C] → [B, T, H, D] → [B, H, T, D]")',
    "model.py merge_heads": 'return todo("[B, H, T, D] → [B, T, H, D] → [B, T, C]")',
    "model.py causal_mask": 'return todo("a matrix of truth values, [T, S]")',
    "model.py CausalSelfAttention.forward": '''
        """softmax(q kᵀ / √D + mask) v in every head, where mask is −inf at the keys of the future.

        The cache is for later; there is none while the model is trained.
        """
        q, k, v = todo("c_attn(x), cut into three along the channels")  # 3 × [B, T, C]
        q = self.tap("q", split_heads(q, self.n_head))  # [B, H, T, D]
        k = self.tap("k", split_heads(k, self.n_head))
        v = self.tap("v", split_heads(v, self.n_head))
        start = 0 if cache is None else cache.length
        if cache is not None:  # attend to the past as well
            k, v = cache.extend(k, v)  # [B, H, S, D]
        scores = self.tap("scores", todo("q kᵀ / √D"))  # [B, H, T, S]
        T, S = q.shape[2], k.shape[2]
        mask = causal_mask(T, S, start)
        att = self.tap("weights", todo("softmax of the scores, those of the future −inf"))
        y = todo("the weighted sums of v")  # [B, H, T, D]
        self.saved = q, k, v, att
        y = self.tap("y", merge_heads(y))  # [B, T, C]
        return todo("the projection c_proj of y")
    ''',
    "model.py CausalSelfAttention.backward": '''
        """From y = att v: datt = dy vᵀ and dv = attᵀ dy. Through the softmax: dscores. From
        scores = q kᵀ / √D: dq = dscores k / √D and dk = dscoresᵀ q / √D."""
        q, k, v, att = self.saved
        dy = todo("back through c_proj, and split into heads")  # [B, H, T, D]
        dv = todo("the gradient by v")
        datt = todo("the gradient by att")  # [B, H, T, T]
        dscores = todo("the gradient by the scores; √D can be divided by here")
        dq, dk = todo("the gradients by q and k")
        return todo("merge the heads of dq, dk, dv, side by side again, back through c_attn")
    ''',
    "model.py MLP.forward": '''
        """c_proj(activation(c_fc(x)))."""
        x = todo("c_fc of x")  # [B, T, F]
        x = todo("the activation of that")
        return todo("c_proj of that")
    ''',
    "model.py MLP.backward": '''
        """The same three in reverse, each by its own backward."""
        return todo("dx")
    ''',
    "model.py Block.forward": '''
        """pre:  x ← x + attn(ln_1(x)); x ← x + mlp(ln_2(x)) (GPT-2; Radford et al. 2019, §2.3)

        post: x ← ln_1(x + attn(x)); x ← ln_2(x + mlp(x)) (Vaswani et al. 2017, §3.1)
        """
        if self.norm == "pre":
            y = self.attn(self.ln_1(x), cache)
            x = todo("the residual stream: x and what attention adds to it")
            y = self.mlp(self.ln_2(x))
            x = todo("the residual stream: x and what the MLP adds to it")
        else:  # leave it for last
            x = todo("the original Transformer, of the same four modules")
        return x
    ''',
    "model.py Block.backward": '''
        """A sum hands its gradient to both of its terms. Last sublayer first."""
        if self.norm == "pre":
            dx = todo("back through the MLP and ln_2, and around them")
            dx = todo("back through attention and ln_1, and around them")
        else:  # leave it for last
            dx = todo("the same for the original Transformer")
        return dx
    ''',
    "model.py SinusoidalEmbedding.__init__": """
        # table[t, 2c] = sin(t / 10000^(2c/C)) and table[t, 2c + 1] = cos of the same
        self.table = todo("the table of positions, [block_size, C]; leave it for last")
    """,
    "model.py GPT.forward": '''
        """x = wte[tokens] + wpe[positions], then the blocks, ln_f, and logits = x lm_headᵀ."""
        start = 0 if cache is None else cache[0].length
        positions = start + np.arange(tokens.shape[1])  # [T]
        x = self.tap("embed", todo("the embeddings of tokens and positions, added"))  # [B, T, C]
        for i, block in enumerate(self.h):
            x = block(x, None if cache is None else cache[i])
        if self.ln_f is not None:
            x = self.ln_f(x)
        self.saved = x
        return todo("a score for every token, by lm_head")  # [B, T, V]
    ''',
    "model.py GPT.backward": '''
        """From logits = x lm_headᵀ: dlm_head = dlogitsᵀ x over all positions and
        dx = dlogits lm_head. Then everything of the forward in reverse. A row of wpe served the
        whole batch."""
        x = self.saved
        self.lm_head.add_grad(todo("the gradient by lm_head"))  # [V, C]
        dx = todo("the gradient by x")  # [B, T, C]
        if self.ln_f is not None:
            dx = self.ln_f.backward(dx)
        for block in reversed(self.h):
            dx = block.backward(dx)
        self.wte.backward(dx)
        self.wpe.backward(todo("the gradient by the positions' rows"))  # [T, C]
    ''',
    "model.py cross_entropy": '''
        """Mean over all positions of −ln softmax(logits)[target], in nats.

        As log Σ exp(logits) − logits[target], which neither overflows (if the largest is
        subtracted first) nor takes the logarithm of 0.
        """
        return todo("one number")
    ''',
    "model.py cross_entropy_backward": 'return todo("dlogits")',
    "optim.py clip_by_global_norm": '''
        """Scale all gradients by min(1, max_norm / norm): the direction stays (Pascanu et al.
        2013).

        norm = √(Σ g²) over all gradients of all parameters together. Returns the norm before
        clipping. A max_norm of 0 switches clipping off.
        """
        return todo("the norm; change every parameter.grad if it is above max_norm")
    ''',
    "optim.py AdamW.step": '''
        """One update of every parameter from its gradient.

        In `self.config`: beta1, beta2, epsilon, weight_decay. The first update has t = 1.
        """
        self.count += 1
        for name, parameter in self.parameters.items():
            todo("change self.m[name], self.v[name] and parameter.value by parameter.grad")
    ''',
    "cache.py KVCache.extend": '''
        """Add the keys and values of T more positions. Returns those of all so far.

        Write them into `self.k` and `self.v` behind the `self.length` positions that are filled,
        and count these in.
        """
        return todo("the keys and values of all positions up to here")
    ''',
    "generate.py decode": '''
        """The tokens that follow `prompt`, each with the logits that it was drawn from.

        This is correct but slow: every token recomputes the whole window. First write
        `sample_token`. Then give the model a cache (`empty_cache` in cache.py), so that a token
        costs one position: `model(tokens, cache)`. Once the window is full it slides, every
        position moves, and nothing cached is right any more: from there on it has to be done as
        it is done here.
        """
        block_size = model.config.block_size
        tokens = prompt.tolist()
        for position in range(len(prompt), len(prompt) + config.max_new_tokens):
            logits = model(np.array([tokens[-block_size:]]))  # [1, T, V]
            token = sample_token(logits[0, -1], uniform(config.seed, position), config)
            yield token, logits[0, -1]
            tokens.append(token)
    ''',
    "generate.py sample_token": '''
        """The token that the uniform number u in [0, 1) falls on, by the inverse of the CDF.

        The CDF runs in the order of the ids: the answer is the first id up to which the
        probabilities sum to more than u. Temperature 0 means the most likely token. In float64
        whatever the model's precision, so that backends whose logits differ by rounding choose
        the same token.
        """
        if config.temperature == 0:
            return todo("greedy: the most likely token, as an int")
        p = todo("softmax(logits / temperature), in float64")  # [V]
        order = np.argsort(-p, kind="stable")  # most likely first; of equals the lower id
        ranked = p[order]
        if config.top_k is not None:
            ranked = todo("only the k most likely, and these sum to 1 again")
        if config.top_p is not None:  # (Holtzman et al. 2020, §3.1)
            ranked = todo("only the fewest most likely that together reach top_p")
        p[order] = ranked
        return todo("the id that u falls on, as an int; p may sum to less than 1")
    ''',
}
"""What the reader writes: by file and function, the body that is there instead, under NumPy's
docstring if it has none. `decode` has no `todo`: it is right, only slow."""

PLAINER = {
    "nn.py sum_rows": "return rows(x).sum(axis=0)",
    "nn.py mean": "return x.mean(axis=-1, keepdims=True)",
    "nn.py Activation.backward": "return self.derivative(*self.saved) * dy  # the chain rule",
}
"""Given, without what makes them fast."""

EDITS = [
    ("model.py", "The GPT in NumPy: every", "The GPT with its mathematics left out: every"),
    (
        "model.py",
        "Read it beside impls/torch/model.py and impls/jax/model.py: the same classes, in the same "
        "order;\nwhat autograd does there is written out here.",
        "The ladder sees what modules return and what goes through `tap`. Rewrite what you like, "
        "but keep\nthese.",
    ),
    ("optim.py", ", written out.", ". SGD is given, to show what an optimizer looks like."),
    ("backend.py", "NumPy backend", "exercise"),
    ("backend.py", "Numpy", "Exercise"),
    (
        "backend.py",
        "from .attention_steps import attention_steps\n"
        "from .bigram import Bigram as bigram\n"
        "from .bigram import count_bigrams\n",
        "from .cache import empty_cache\n",
    ),
    ("backend.py", "import Parameter\n", "import Parameter, softmax\n"),
    ("backend.py", "import trace\n", "import recording, trace\n"),
    (
        "backend.py",
        '__all__ = ["attention_steps", "bigram", "build", "count_bigrams", "name"]\n\n'
        'name = "numpy"',
        '__all__ = ["build", "empty_cache", "name", "recording", "softmax"]\n\nname = "exercise"',
    ),
]
"""By file: what else reads differently there."""

INIT = '''"""The exercise: the NumPy backend without its mathematics, which is for you to write.

Every gap is a call of `todo`; what belongs there stands in the docstring above it, with the
equation and the paper. `nox -s exercise` shows how far you have come and what is next.

Change the files here, or copy the folder and climb with the copy; its imports are relative, so it
may have any name and stand anywhere:

    cp -r impls/exercise my_gpt
    nox -s exercise -- --solution my_gpt

nn.py      given: parameters, modules; yours: Linear, Embedding, LayerNorm, softmax, GELU
model.py   yours: attention, MLP, block, GPT, cross-entropy, and all their backwards
optim.py   given: SGD; yours: clipping, AdamW
step.py    given: one training step
generate.py  given: slow decoding; yours: choosing a token, and decoding with a cache
cache.py   yours: adding to it
trace.py   given: what is seen of your forward
backend.py   given: the adapter to the protocol of shared/protocol.py
"""

from typing import Any


def todo(what: str) -> Any:
    """A gap. Put `what` in its place, as an expression or as many lines as you like."""
    raise NotImplementedError(what)
'''
