// The next-token table: a model's logits after temperature, top-k and top-p. The arithmetic is that
// of `distribution` in shared/commands/next_tokens.py, line by line; a test compares the two.
(() => {
  "use strict";
  const { start, element, choice, slider } = window.play;
  const ROWS = 12;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const four = (p) => (p === 0 ? "0" : p.toFixed(4));

  // The probabilities that the next token is drawn from, in the order of the ids. null: all.
  function distribution(logits, { temperature, topK, topP }) {
    const largest = Math.max(...logits);
    if (temperature === 0) {
      const greedy = logits.indexOf(largest);
      return logits.map((_, id) => (id === greedy ? 1 : 0));
    }
    let p = logits.map((logit) => Math.exp((logit - largest) / temperature));
    p = p.map(dividedBy(sum(p)));
    const order = ranks(p);
    let ranked = order.map((id) => p[id]);
    if (topK !== null) {
      ranked = ranked.map((value, rank) => (rank < topK ? value : 0));
      ranked = ranked.map(dividedBy(sum(ranked)));
    }
    if (topP !== null) {
      const reached = cumulated(ranked);
      ranked = ranked.map((value, rank) => (reached[rank] - value < topP ? value : 0));
      ranked = ranked.map(dividedBy(sum(ranked)));
    }
    order.forEach((id, rank) => { p[id] = ranked[rank]; });
    return p;
  }

  const dividedBy = (total) => (value) => value / total;

  // Ids, the most likely first; the lower id of equals, because sorting is stable.
  const ranks = (p) => [...p.keys()].sort((a, b) => p[b] - p[a]);

  function cumulated(values) {
    let total = 0;
    return values.map((value) => (total += value));
  }

  // The token that u falls on: the first one with a cumulative sum above u.
  function draw(p, u) {
    const cdf = cumulated(p);
    return cdf.findIndex((edge) => edge > u * cdf.at(-1));
  }

  function entropy(p) {
    return sum(p.filter((value) => value > 0).map((value) => -value * Math.log2(value))) + 0;
  }

  class Table {
    constructor(place, data) {
      this.data = data;
      const V = data.tokens.length;
      this.settings = { prompt: 0, temperature: 1, topK: V, topP: 1, seed: 1 };
      const set = (what) => (value) => { this.settings[what] = value; this.paint(); };
      this.body = element("tbody");
      this.said = element("p", { class: "said", "aria-live": "polite" });
      this.strip = element("div", { class: "strip", "aria-hidden": "true" });
      this.drawn = element("p", { class: "drawn", "aria-live": "polite" });
      this.command = element("code", { class: "command" });
      const head = ["token", "the model", "drawn from", ""];
      place.classList.add("next-tokens");
      place.append(
        element("div", { class: "controls" },
          choice("Prompt", "prompt", data.prompts.map(({ prompt }, i) => [i, prompt]), set("prompt")),
          slider("Temperature", "temperature", { min: 0, max: 2, step: 0.05, value: 1 }, set("temperature"),
            (value) => (value === 0 ? "0: greedy" : value.toFixed(2))),
          slider("Top-k", "top-k", { min: 1, max: V, step: 1, value: V }, set("topK"),
            (value) => (value === V ? "all" : String(value))),
          slider("Top-p", "top-p", { min: 0.05, max: 1, step: 0.05, value: 1 }, set("topP"),
            (value) => (value === 1 ? "all" : value.toFixed(2))),
          slider("Seed", "seed", { min: 1, max: data.prompts[0].uniforms.length, step: 1, value: 1 }, set("seed"), String)),
        element("div", { class: "table-wrapper", tabindex: 0, role: "group", "aria-label": "the next token" },
          element("table", {},
            element("caption", {}, `The ${ROWS} likeliest of ${V} tokens. Outline: the model’s own probabilities. Filled: those drawn from.`),
            element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
            this.body)),
        this.said, this.strip, this.drawn,
        element("p", { class: "note" }, "The same from the code: ", this.command));
      this.paint();
    }

    paint() {
      const { prompt, temperature, topK, topP, seed } = this.settings;
      const { tokens } = this.data;
      const { logits, uniforms } = this.data.prompts[prompt];
      const own = distribution(logits, { temperature: 1, topK: null, topP: null });
      const config = { temperature, topK: topK < tokens.length ? topK : null, topP: topP < 1 ? topP : null };
      const p = distribution(logits, config);
      const order = ranks(own);
      const rest = order.slice(ROWS);
      this.body.replaceChildren(
        ...order.slice(0, ROWS).map((id) => row(tokens[id], own[id], p[id])),
        row(`${rest.length} others`, sum(rest.map((id) => own[id])), sum(rest.map((id) => p[id]))));
      const left = p.filter((value) => value > 0).length;
      this.said.textContent = `${left === 1 ? "One token is" : `${left} tokens are`} left to draw from. `
        + `${entropy(p).toFixed(2)} bits are open; ${Math.log2(tokens.length).toFixed(2)} would be a choice among all alike.`;
      this.lay(p, uniforms[seed - 1], temperature, seed);
      this.command.replaceChildren(...this.typed(this.data.prompts[prompt].prompt, config, seed));
    }

    // The probabilities side by side in the order of the ids, and where u falls.
    lay(p, u, temperature, seed) {
      const { tokens } = this.data;
      const token = draw(p, u);
      const parts = [...p.keys()].filter((id) => p[id] > 0).map((id) => element("span",
        { style: `flex-grow: ${p[id]}`, class: id === token ? "hit" : "" }, p[id] > 0.04 ? tokens[id] : ""));
      this.strip.replaceChildren(...parts, element("i", { style: `left: ${100 * u}%` }));
      this.strip.classList.toggle("greedy", temperature === 0);
      this.drawn.dataset.token = token;
      const edges = [0, ...cumulated(p)];
      this.drawn.textContent = temperature === 0
        ? `Nothing is drawn: “${tokens[token]}”, the most likely, whatever the seed.`
        : `With seed ${seed}, u = ${u.toFixed(4)}. It falls between ${edges[token].toFixed(4)} and `
          + `${edges[token + 1].toFixed(4)}, so “${tokens[token]}” is written.`;
    }

    // The command, in parts that must not wrap.
    typed(prompt, { temperature, topK, topP }, seed) {
      const options = [["temperature", temperature], ["top-k", topK], ["top-p", topP], ["seed", seed], ["top", ROWS]];
      const given = options.filter(([, value]) => value !== null).map(([name, value]) => `--${name} ${value}`);
      const parts = ["python -m impls.numpy.sample", `--run ${this.data.run}`, `--prompt "${prompt}"`, ...given];
      return parts.flatMap((part) => [element("span", {}, part), " "]);
    }
  }

  function row(token, own, p) {
    const share = (value) => `width: ${100 * value}%`;
    return element("tr", { "data-own": own, "data-p": p },
      element("th", { scope: "row" }, token), element("td", {}, four(own)), element("td", {}, four(p)),
      element("td", { class: "bars" },
        element("div", { class: "bar" }, element("i", { class: "own", style: share(own) }), element("i", { class: "p", style: share(p) }))));
  }

  start("next_tokens", (place, data) => new Table(place, data));
})();
