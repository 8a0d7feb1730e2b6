// The next-token table: a model's logits after temperature, top-k and top-p. The arithmetic is that
// of `distribution` in gpt.js; a test compares it with shared/commands/next_tokens.py.
(() => {
  "use strict";
  const { start, element, choice, field, slider } = window.play;
  const { live } = window;
  const { distribution, sampleToken, uniform } = window.gpt;
  // Some allow nearly any next token, some hardly more than one.
  const PROMPTS = ["I love the ", "Ann: By M", "Two stars w", "Scene: the king of ", "Enter "];
  const SEEDS = 20;
  const ROWS = 12;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const four = (p) => (p === 0 ? "0" : p.toFixed(4));

  // Ids, the most likely first; of equals, the lower id first, because sorting is stable.
  const ranks = (p) => [...p.keys()].sort((a, b) => p[b] - p[a]);

  function cumulated(values) {
    let total = 0;
    return values.map((value) => (total += value));
  }

  // Quoted for a shell.
  const quoted = (text) => {
    const bare = text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n");
    return /["$`\\!\n]/.test(text) ? `$'${bare}'` : `"${text}"`;
  };

  function entropy(p) {
    return sum(p.filter((value) => value > 0).map((value) => -value * Math.log2(value))) + 0;
  }

  class Table {
    constructor(place) {
      const V = live.names.length;
      this.settings = { temperature: 1, topK: V, topP: 1, seed: 1 };
      const set = (what) => (value) => { this.settings[what] = value; this.paint(); };
      this.complaint = element("p", { class: "note", "aria-live": "polite" });
      this.body = element("tbody");
      this.said = element("p", { class: "said", "aria-live": "polite" });
      this.strip = element("div", { class: "strip", "aria-hidden": "true" });
      this.drawn = element("p", { class: "drawn", "aria-live": "polite" });
      this.command = element("code", { class: "command" });
      const head = ["token", "the model", "drawn from", ""];
      place.classList.add("next-tokens");
      place.append(
        element("div", { class: "controls" },
          choice("Prompt", "prompt", PROMPTS.map((prompt, i) => [i, prompt]), (i) => this.choose(i)),
          field("or your own", "own", "", (text) => this.take(text)),
          slider("Temperature", "temperature", { min: 0, max: 2, step: 0.05, value: 1 }, set("temperature"),
            (value) => (value === 0 ? "0: greedy" : value.toFixed(2))),
          slider("Top-k", "top-k", { min: 1, max: V, step: 1, value: V }, set("topK"),
            (value) => (value === V ? "all" : String(value))),
          slider("Top-p", "top-p", { min: 0.05, max: 1, step: 0.05, value: 1 }, set("topP"),
            (value) => (value === 1 ? "all" : value.toFixed(2))),
          slider("Seed", "seed", { min: 1, max: SEEDS, step: 1, value: 1 }, set("seed"), String)),
        this.complaint,
        element("div", { class: "table-wrapper", tabindex: 0, role: "group", "aria-label": "the next token" },
          element("table", {},
            element("caption", {}, `The ${ROWS} likeliest of ${V} tokens. Outline: the model’s own probabilities. Filled: those drawn from.`),
            element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
            this.body)),
        this.said, this.strip, this.drawn,
        element("p", { class: "note" }, "The same from the code: ", this.command));
      this.place = place;
      this.choose(0);
    }

    // A listed prompt.
    choose(i) {
      this.place.querySelector("textarea").value = "";
      this.listed = PROMPTS[i];
      this.take("");
    }

    // Run the model after the reader's own prompt, or else the listed one.
    take(own) {
      let found = live.encode(own);
      this.complaint.textContent = own && live.complaint(found, Infinity, this.listed);
      if (!found.ids.length) found = live.encode(this.listed);
      this.prompt = live.decode(found.ids);
      this.logits = [...live.program().model.forward(found.ids.slice(-live.config.block_size)).at(-1)];
      this.position = found.ids.length;
      this.paint();
    }

    paint() {
      const { temperature, topK, topP, seed } = this.settings;
      const { prompt, logits } = this;
      const tokens = live.names;
      const own = distribution(logits, { temperature: 1 });
      const config = { temperature, top_k: topK < tokens.length ? topK : null, top_p: topP < 1 ? topP : null };
      const p = distribution(logits, config);
      const order = ranks(own);
      const rest = order.slice(ROWS);
      this.body.replaceChildren(
        ...order.slice(0, ROWS).map((id) => row(tokens[id], own[id], p[id])),
        row(`${rest.length} others`, sum(rest.map((id) => own[id])), sum(rest.map((id) => p[id]))));
      const left = p.filter((value) => value > 0).length;
      this.said.textContent = `${left === 1 ? "One token is" : `${left} tokens are`} left to draw from. `
        + `${entropy(p).toFixed(2)} bits are open; ${Math.log2(tokens.length).toFixed(2)} would be a choice among all alike.`;
      const u = uniform(seed, this.position);
      this.lay(p, u, sampleToken(logits, u, config), temperature, seed);
      this.command.replaceChildren(...this.typed(prompt, config, seed));
    }

    // The probabilities side by side in the order of the ids, and where u falls.
    lay(p, u, token, temperature, seed) {
      const tokens = live.names;
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

    // The command, in parts.
    typed(prompt, { temperature, top_k, top_p }, seed) {
      const options = [["temperature", temperature], ["top-k", top_k], ["top-p", top_p], ["seed", seed], ["top", ROWS]];
      const given = options.filter(([, value]) => value !== null).map(([name, value]) => `--${name} ${value}`);
      const parts = ["python -m impls.numpy.sample", `--run ${live.trained.run}`, `--prompt ${quoted(prompt)}`, ...given];
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

  if (live) start("next_tokens", (place) => new Table(place));
})();
