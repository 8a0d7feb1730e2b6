// The attention explorer: choose a sentence, a layer, a head and a backend; point at a token, or
// go to it with the arrow keys, to see its weights. Shades show the square root of the weight, so that
// small ones are visible; numbers are in percent.
(() => {
  "use strict";
  const { start, element, choice, field, percent } = window.play;
  const { live } = window;
  const BACKENDS = { ...window.play.BACKENDS, javascript: "this browser" };
  const SVG = "http://www.w3.org/2000/svg";
  const CELL = 10;
  const textOf = ({ tokens }) => tokens.join("").replaceAll("␣", " ");

  function drawn(tag, attributes, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  class Explorer {
    constructor(place, data) {
      this.place = place;
      this.data = data;
      this.chosen = { sentence: 0, layer: 0, head: 0, backend: "numpy" };
      const [{ tokens, weights }] = data.sentences;
      const layers = [...weights.numpy.keys()];
      const heads = [...weights.numpy[0].keys()];
      const choose = (what) => (value) => { this.chosen[what] = value; this.paint(); };
      this.own = null;  // the reader's own sentence, with the weights that this browser computed
      this.complaint = element("p", { class: "note", "aria-live": "polite" });
      this.row = element("div", { class: "tokens", role: "toolbar", "aria-label": "tokens of the sentence" });
      this.said = element("p", { class: "said", "aria-live": "polite" });
      this.map = element("div", { class: "map" });
      this.apart = element("p", { class: "apart", "aria-live": "polite" });
      this.row.addEventListener("keydown", (event) => this.move(event));
      place.append(
        element("div", { class: "controls" },
          choice("Sentence", "sentence", data.sentences.map((sentence, i) => [i, textOf(sentence)]),
            (value) => { this.chosen.sentence = value; this.forget(); }),
          ...(live ? [field("or your own", "own", "", (text) => this.take(text))] : []),
          choice("Layer", "layer", layers.map((i) => [i, i]), choose("layer")),
          choice("Head", "head", heads.map((i) => [i, i]), choose("head")),
          choice("Computed by", "backend", Object.entries(BACKENDS), choose("backend"))),
        this.complaint, this.row, this.said, this.map, this.apart);
      this.token = tokens.length - 1;
      this.rebuild();
    }

    get sentence() { return this.own || this.data.sentences[this.chosen.sentence]; }

    get backend() { return this.own ? "javascript" : this.chosen.backend; }

    // For each token, its weights on itself and on earlier tokens.
    get rows() {
      const { layer, head } = this.chosen;
      return this.sentence.weights[this.backend][layer][head];
    }

    // Back from the reader's own sentence to a listed one.
    forget() {
      for (const own of this.place.querySelectorAll("textarea")) own.value = "";
      this.complaint.textContent = "";
      this.own = null;
      this.rebuild();
    }

    // The reader's own sentence, as much of it as the window holds.
    take(text) {
      const found = live.encode(text);
      const listed = textOf(this.data.sentences[this.chosen.sentence]);
      this.complaint.textContent = text && live.complaint(found, live.config.block_size, listed);
      const ids = found.ids.slice(0, live.config.block_size);
      const layers = [];
      if (ids.length) {
        live.program().model.forward(ids, null, (name, value) => {
          if (name.endsWith("attn.weights")) layers.push(value.map((head) => head.map((row, t) => [...row].slice(0, t + 1))));
        });
      }
      this.own = ids.length ? { tokens: ids.map((id) => live.names[id]), weights: { javascript: layers } } : null;
      this.token = Infinity;
      this.rebuild();
    }

    // Another sentence: other tokens, another triangle.
    rebuild() {
      const { tokens } = this.sentence;
      this.token = Math.min(this.token, tokens.length - 1);
      this.cells = tokens.map((token, t) => {
        const cell = element("button", { type: "button", class: "token" },
          element("span", { class: "glyph" }, token), element("span", { class: "swatch" }, element("span", { class: "shade" })), element("span", { class: "share" }));
        cell.addEventListener("pointerenter", () => this.show(t));
        cell.addEventListener("focus", () => this.show(t));
        return cell;
      });
      this.row.replaceChildren(...this.cells);
      this.drawMap(tokens);
      this.paint();
    }

    drawMap(tokens) {
      const size = CELL * (tokens.length + 1);
      const middle = (i) => CELL * (i + 1.5);
      this.outline = drawn("rect", { class: "outline", x: CELL, height: CELL });
      this.squares = tokens.map((_, t) => tokens.slice(0, t + 1).map((_, s) => {
        const square = drawn("rect", { x: CELL * (s + 1), y: CELL * (t + 1), width: CELL, height: CELL }, drawn("title", {}));
        square.addEventListener("pointerenter", () => this.show(t));
        return square;
      }));
      const names = tokens.flatMap((token, i) => [
        drawn("text", { x: middle(i), y: 0.75 * CELL }, token),
        drawn("text", { x: 0.5 * CELL, y: middle(i) + 0.25 * CELL }, token),
      ]);
      this.picture = drawn("svg", { viewBox: `0 0 ${size} ${size}`, role: "img" }, ...this.squares.flat(), ...names, this.outline);
      this.picture.style.maxWidth = `${1.1 * (tokens.length + 1)}rem`;
      this.map.replaceChildren(this.picture,
        element("p", { class: "note" }, "Row: the token that looks. Column: the token it looks at. The future is empty. "
          + "Shades show the square root of the weight, so that small ones are visible."));
    }

    // Another head, or another backend: the same layout, other weights.
    paint() {
      const { layer, head } = this.chosen;
      const { backend } = this;
      const { tokens } = this.sentence;
      this.place.className = `play wide attention backend-${backend}`;
      const menu = this.place.querySelector("select[name=backend]");
      for (const option of menu.options) option.disabled = (option.value === "javascript") !== Boolean(this.own);
      menu.value = backend;
      this.squares.forEach((row, t) => row.forEach((square, s) => {
        const weight = this.rows[t][s];
        square.style.fillOpacity = Math.sqrt(weight);
        square.dataset.weight = weight;
        square.firstChild.textContent = `“${tokens[t]}” looks at “${tokens[s]}”: ${percent(weight)} %`;
      }));
      this.picture.setAttribute("aria-label",
        `Weights of layer ${layer}, head ${head}, by ${BACKENDS[backend]}: a triangle of ${tokens.length} rows. Each row sums to 1.`);
      this.tellApart();
      this.show(this.token);
    }

    tellApart() {
      const { layer, head } = this.chosen;
      if (this.own) {
        this.apart.textContent = "Computed by this browser, in float64.";
        return;
      }
      const { largest, pair } = this.sentence.apart[layer][head];
      const names = pair.map((backend) => BACKENDS[backend]).join(" and ");
      this.apart.dataset.largest = largest;
      const number = (value, digits) => element("span", { class: "number" }, value.toExponential(digits));
      this.apart.replaceChildren(`Computed by all three in ${this.data.dtype}. In this head, on this sentence, `,
        ...(largest === 0 ? ["not one bit differs"] : ["the largest difference between two of them is ", number(largest, 1), ` (${names})`]),
        "; the conformance suite allows ", number(this.data.limit, 0), ".");
    }

    // The weights of token t.
    show(t) {
      this.token = t;
      const { tokens } = this.sentence;
      const row = this.rows[t];
      this.cells.forEach((cell, s) => {
        const seen = s <= t;
        cell.classList.toggle("future", !seen);
        cell.classList.toggle("here", s === t);
        cell.setAttribute("aria-current", String(s === t));
        cell.setAttribute("aria-label", `token ${s}: ${tokens[s]}, ${seen ? `${percent(row[s])} %` : "hidden by the mask"}`);
        cell.tabIndex = s === t ? 0 : -1;
        cell.dataset.weight = seen ? row[s] : "";
        cell.querySelector(".shade").style.opacity = seen ? Math.sqrt(row[s]) : 0;
        cell.querySelector(".share").textContent = seen ? percent(row[s]) : "–";
      });
      this.outline.setAttribute("y", CELL * (t + 1));
      this.outline.setAttribute("width", CELL * (t + 1));
      const best = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
      this.said.textContent = `Token ${t}, “${tokens[t]}”, looks most at `
        + `${best.map((s) => `“${tokens[s]}” at ${s} (${percent(row[s])} %)`).join(", ")}.`;
    }

    move(event) {
      const last = this.cells.length - 1;
      const t = this.cells.indexOf(document.activeElement);
      const to = { ArrowRight: Math.min(t + 1, last), ArrowLeft: Math.max(t - 1, 0), Home: 0, End: last }[event.key];
      if (t < 0 || to === undefined) return;
      event.preventDefault();
      this.cells[to].focus();
    }
  }

  start("attention", (place, data) => new Explorer(place, data));
})();
