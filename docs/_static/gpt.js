// A fourth GPT, in plain JavaScript, so that the pages can run it. It computes in float64.
// Read it beside impls/numpy/model.py and impls/numpy/generate.py: the same parts, in the same order.
// Shapes: T tokens, S keys seen, C channels, H heads, D = C/H, F inner size, V vocabulary. There is
// one sequence and no batch; a matrix is an array of rows.
// All of it is one function, because a page can plant a bug: it edits the text of this function.
window.makeGPT = () => {
  "use strict";

  const sum = (values) => values.reduce((a, b) => a + b, 0);
  // Several times as fast as Float64Array.from(values, change).
  const map = (values, change) => { const found = new Float64Array(values.length); for (let i = 0; i < found.length; i++) found[i] = change(values[i], i); return found; };
  const dot = (a, b) => { let total = 0; for (let i = 0; i < a.length; i++) total += a[i] * b[i]; return total; };
  const add = (x, y) => x.map((row, t) => map(row, (value, c) => value + y[t][c]));

  // y = x W + b, with W stored (in, out) as in GPT-2's files.
  function linear(x, weight, bias) {
    return x.map((row) => {
      const y = bias ? Float64Array.from(bias) : new Float64Array(weight[0].length);
      for (let i = 0; i < row.length; i++) {
        const value = row[i], w = weight[i];
        for (let o = 0; o < y.length; o++) y[o] += value * w[o];
      }
      return y;
    });
  }

  // Normalise each position to mean 0 and variance 1, then scale and shift.
  function layerNorm(x, weight, bias, epsilon) {
    return x.map((row) => {
      const mean = sum(row) / row.length;
      const centred = map(row, (value) => value - mean);
      const std = Math.sqrt(dot(centred, centred) / row.length + epsilon);
      return map(centred, (value, c) => value / std * weight[c] + (bias ? bias[c] : 0));
    });
  }

  function softmax(row) {
    const largest = Math.max(...row);
    const e = map(row, (value) => Math.exp(value - largest));
    const total = sum(e);
    return map(e, (value) => value / total);
  }

  // JavaScript has no erf. The sum has only positive terms (Abramowitz & Stegun, 7.1.6); at 6 it is 1.
  function erf(x) {
    if (Math.abs(x) > 6) return Math.sign(x);
    let term = x, total = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) { term *= 2 * x * x / (2 * n + 1); total += term; }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * total;
  }

  const activations = {
    gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    gelu_erf: (x) => 0.5 * x * (1 + erf(x / Math.sqrt(2))),
    relu: (x) => Math.max(x, 0),
  };

  // [T, C] → [H, T, D]: give every head its own D of the C channels.
  function splitHeads(x, heads) {
    const D = x[0].length / heads;
    return Array.from({ length: heads }, (_, h) => x.map((row) => row.slice(h * D, (h + 1) * D)));
  }

  // [H, T, D] → [T, C]: put the heads' channels side by side again.
  function mergeHeads(x) {
    return x[0].map((row, t) => {
      const merged = new Float64Array(x.length * row.length);
      x.forEach((head, h) => merged.set(head[t], h * row.length));
      return merged;
    });
  }

  // Every position gathers from itself and the past.
  function attention(x, weights, config, cache, tap) {
    const C = config.n_embd;
    const qkv = linear(x, weights["c_attn.weight"], weights["c_attn.bias"]);  // [T, 3C]
    let [q, k, v] = [0, 1, 2].map((i) => splitHeads(qkv.map((row) => row.slice(i * C, (i + 1) * C)), config.n_head));
    tap("q", q), tap("k", k), tap("v", v);  // [H, T, D]
    const start = cache ? cache.length : 0;
    if (cache) [k, v] = cache.extend(k, v);  // [H, S, D]
    const D = C / config.n_head;
    const scores = q.map((head, h) => head.map((query) => map(k[h], (key) => dot(query, key) / Math.sqrt(D))));
    tap("scores", scores);  // [H, T, S]
    const masked = scores.map((head) => head.map((row, i) => map(row, (score, j) => (j > start + i ? -Infinity : score))));
    const att = masked.map((head) => head.map(softmax));  // rows sum to 1
    tap("weights", att);
    const y = mergeHeads(att.map((head, h) => linear(head, v[h])));  // [T, C]
    tap("y", y);
    return linear(y, weights["c_proj.weight"], weights["c_proj.bias"]);
  }

  // Each position on its own: widen, apply the nonlinearity, narrow.
  function mlp(x, weights, config, tap) {
    const fc = linear(x, weights["c_fc.weight"], weights["c_fc.bias"]);  // [T, F]
    tap("fc", fc);
    const act = fc.map((row) => map(row, activations[config.activation]));
    tap("act", act);
    return linear(act, weights["c_proj.weight"], weights["c_proj.bias"]);
  }

  // Communicate, then compute, each added to the residual stream.
  function block(x, weights, config, cache, tap) {
    const norm = (name, value) => record(name, layerNorm(value, weights[`${name}.weight`], weights[`${name}.bias`], config.layer_norm_epsilon));
    const record = (name, value) => { tap(name, value); return value; };
    const attn = (value) => record("attn", attention(value, inside(weights, "attn."), config, cache, (name, found) => tap(`attn.${name}`, found)));
    const think = (value) => record("mlp", mlp(value, inside(weights, "mlp."), config, (name, found) => tap(`mlp.${name}`, found)));
    if (config.norm === "pre") {  // GPT-2: the stream itself is never normalised
      x = add(x, attn(norm("ln_1", x)));
      x = add(x, think(norm("ln_2", x)));
    } else {  // the original Transformer
      x = norm("ln_1", add(x, attn(x)));
      x = norm("ln_2", add(x, think(x)));
    }
    return x;
  }

  // The tensors whose names begin with `prefix`, which is removed.
  function inside(weights, prefix) {
    const found = Object.entries(weights).filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]));
  }

  // Fixed positions: sines and cosines of many wavelengths.
  function sinusoid(position, C) {
    return Float64Array.from({ length: C }, (_, c) => {
      const angle = position / 10000 ** ((c - c % 2) / C);
      return c % 2 ? Math.cos(angle) : Math.sin(angle);
    });
  }

  // The keys and values of the past, which need not be computed again for the next token.
  class KVCache {
    length = 0;

    extend(k, v) {
      this.k = this.k ? this.k.map((head, h) => [...head, ...k[h]]) : k;
      this.v = this.v ? this.v.map((head, h) => [...head, ...v[h]]) : v;
      this.length = this.k[0].length;
      return [this.k, this.v];
    }
  }

  // config: as in a checkpoint. weights: rows of numbers by canonical name, such as "transformer.wte.weight".
  class GPT {
    constructor(config, weights) {
      this.config = config;
      this.given = weights;
      this.weights = inside(weights, "transformer.");
      this.head = weights["lm_head.weight"] || this.weights["wte.weight"];
      this.blocks = Array.from({ length: config.n_layer }, (_, i) => inside(this.weights, `h.${i}.`));
    }

    // tokens: T ids. Returns the logits, T rows of V. Hands every named value to tap(name, value).
    forward(tokens, cache = null, tap = () => {}) {
      const [wte, wpe] = [this.weights["wte.weight"], this.weights["wpe.weight"]];
      const start = cache ? cache[0].length : 0;
      const position = (t) => (wpe ? wpe[start + t] : sinusoid(start + t, this.config.n_embd));
      let x = add(tokens.map((id) => wte[id]), tokens.map((_, t) => position(t)));  // [T, C]
      tap("embed", x);
      this.blocks.forEach((weights, i) => {
        x = block(x, weights, this.config, cache && cache[i], (name, value) => tap(`h.${i}.${name}`, value));
        tap(`h.${i}`, x);
      });
      if (this.config.norm === "pre") {
        x = layerNorm(x, this.weights["ln_f.weight"], this.weights["ln_f.bias"], this.config.layer_norm_epsilon);
        tap("ln_f", x);
      }
      const logits = x.map((row) => map(this.head, (token) => dot(row, token)));  // [T, V]
      tap("logits", logits);
      tap("probs", logits.map(softmax));
      return logits;
    }

    // Mean over all positions of −ln softmax(logits)[target], in nats.
    loss(tokens, targets) {
      const losses = this.forward(tokens).map((row, t) => {
        const largest = Math.max(...row);
        return largest + Math.log(sum(map(row, (value) => Math.exp(value - largest)))) - row[targets[t]];
      });
      return sum(losses) / losses.length;
    }

    // The tokens that follow `prompt`, each with the logits that it was drawn from. Once the window is
    // full it slides, and each token costs a full forward.
    * decode(prompt, { max_new_tokens, seed, ...config }) {
      const tokens = [...prompt];
      const window = () => tokens.slice(-this.config.block_size);
      const cache = this.blocks.map(() => new KVCache());
      let logits = this.forward(window(), cache);
      for (let i = 0; i < max_new_tokens; i++) {
        const last = logits.at(-1);
        const token = sampleToken(last, uniform(seed, tokens.length), config);
        yield [token, last];
        tokens.push(token);
        logits = tokens.length <= this.config.block_size ? this.forward([token], cache) : this.forward(window());
      }
    }
  }

  // The probabilities that a token is drawn from, in the order of the ids. top_k and top_p are optional.
  function distribution(logits, { temperature, top_k, top_p }) {
    const largest = Math.max(...logits);
    if (temperature === 0) {
      const greedy = logits.indexOf(largest);
      return Array.from(logits, (_, id) => (id === greedy ? 1 : 0));
    }
    const p = [...softmax(map(logits, (logit) => (logit - largest) / temperature))];
    const order = [...p.keys()].sort((a, b) => p[b] - p[a]);  // most likely first; stable
    let ranked = order.map((id) => p[id]);
    const keep = (wanted) => {
      ranked = ranked.map((value, rank) => (wanted(value, rank) ? value : 0));
      const total = sum(ranked);
      ranked = ranked.map((value) => value / total);
    };
    if (top_k != null) keep((_, rank) => rank < top_k);
    if (top_p != null) {
      let total = 0;
      const before = ranked.map((value) => (total += value) - value);  // the probability of all that are more likely
      keep((_, rank) => before[rank] < top_p);
    }
    order.forEach((id, rank) => { p[id] = ranked[rank]; });
    return p;
  }

  // The token that the uniform number u in [0, 1) falls on, by the inverse of the CDF.
  function sampleToken(logits, u, config) {
    let total = 0;
    const cdf = distribution(logits, config).map((p) => (total += p));
    return cdf.findIndex((edge) => edge > u * total);
  }

  // The uniform number that draws the token at `position` of a sample: NumPy's Philox 4×64-10
  // (Salmon et al. 2011), keyed by the seed and the stream of samples.
  function uniform(seed, position) {
    const word = (value) => BigInt.asUintN(64, value);
    let [a, b, c, d] = [1n, 0n, BigInt(position), 0n];  // NumPy counts on before it draws
    let [key, stream] = [BigInt(seed), 2n];
    for (let round = 0; round < 10; round++) {
      const [one, two] = [a * 0xD2E7470EE14C6C93n, c * 0xCA5A826395121157n];
      [a, b, c, d] = [(two >> 64n) ^ b ^ key, word(two), (one >> 64n) ^ d ^ stream, word(one)];
      [key, stream] = [word(key + 0x9E3779B97F4A7C15n), word(stream + 0xBB67AE8584CAA73Bn)];
    }
    return Number(a >> 11n) / 2 ** 53;
  }

  return { GPT, distribution, sampleToken, uniform };
};
window.gpt = window.makeGPT();
