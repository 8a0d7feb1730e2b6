// The trace: choose a value in the diagram, with the arrow keys or by "before" and "next", to see
// its shape, its numbers as a picture, what each backend computed, and the code that computes it.
// A picture has a pixel for every number: orange above 0, blue below, stronger for larger values.
// The browser computes the values, too: of the same text, of the reader's own, and with a bug (bug.js).
(() => {
  "use strict";
  const { start, element, choice, field } = window.play;
  const { live } = window;
  const BACKENDS = { ...window.play.BACKENDS, javascript: "this browser" };
  const ABOVE = [217, 98, 43];
  const BELOW = [59, 125, 216];
  const DIMENSIONS = { T: "positions", C: "channels", D: "channels", F: "channels", V: "tokens" };

  const list = (items) => `[${items.join(", ")}]`;
  const short = (value) => value.toPrecision(4).replace("-", "−");

  const LIMIT = 1e-12;

  // Whether numbers differ by more than rounding, relative to the largest.
  function differs(right, wrong) {
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return right.length !== wrong.length || right.some((value, i) => !(Math.abs(value - wrong[i]) <= LIMIT * largest));
  }

  // Smallest, largest and mean.
  function summary(values) {
    return [Math.min(...values), Math.max(...values), values.reduce((a, b) => a + b, 0) / values.length];
  }

  class Trace {
    constructor(place, data) {
      this.place = place;
      this.data = data;
      this.names = Object.keys(data.taps);
      this.backend = "numpy";
      this.text = null;  // the reader's own; null: that of the data
      this.bug = "";
      this.buttons = new Map([...place.querySelectorAll("button.tap")].map((button) => [button.dataset.tap, button]));
      this.codes = [...place.querySelectorAll(".lines")];
      for (const [name, button] of this.buttons) button.addEventListener("click", () => this.choose(name));
      place.querySelector(".architecture").addEventListener("keydown", (event) => this.move(event));
      this.build(place.querySelector(".about"));
      this.compute();
      const asked = () => {
        const name = location.hash.slice(1);
        if (this.buttons.has(name)) this.choose(name);
      };
      this.choose("embed");
      asked();
      window.addEventListener("hashchange", asked);
    }

    get tap() { return this.data.taps[this.name]; }

    // What this browser computed for the value.
    get here() { return live && this.computed[this.name]; }

    get shape() { return this.text === null ? this.tap.shape : this.here.shape; }

    get tokens() { return this.text === null ? this.data.tokens : this.text; }

    // The numbers of the chosen backend; if another has the same five digits, the data has its name.
    get values() {
      if (this.backend === "javascript") return this.here.values;
      const { values } = this.tap;
      const found = values[this.backend];
      return typeof found === "string" ? values[found] : found;
    }

    // Compute all values here, again if the text or the bug has changed, and mark what a bug changes.
    compute() {
      if (!live) return;
      const { ids } = live.encode(this.text === null ? this.data.text : this.typed);
      const right = live.trace(ids);
      this.computed = this.bug ? live.trace(ids, this.bug) : right;
      const wrong = this.names.filter((name) => differs(right[name].values, this.computed[name].values));
      for (const [name, button] of this.buttons) {
        button.classList.toggle("wrong", wrong.includes(name));
        const label = button.getAttribute("aria-label").replace(", wrong", "");
        button.setAttribute("aria-label", wrong.includes(name) ? `${label}, wrong` : label);
      }
      this.verdict.tell(this.bug, ids, wrong, this.names.length);
      if (wrong.length) this.name = wrong[0];
    }

    take(text) {
      const found = live.encode(text);
      this.complaint.textContent = live.complaint(found, live.config.block_size, this.data.text);
      const ids = found.ids.slice(0, live.config.block_size);
      this.typed = live.decode(ids);
      this.text = ids.length && this.typed !== this.data.text ? ids.map((id) => live.names[id]) : null;
      this.renew();
    }

    // Another text or bug.
    renew() {
      const own = this.text !== null || Boolean(this.bug);  // only the browser has computed that
      const menu = this.place.querySelector("select[name=backend]");
      if (own || menu.options[0].disabled) this.backend = own ? "javascript" : "numpy";
      for (const option of menu.options) option.disabled = own && option.value !== "javascript";
      menu.value = this.backend;
      this.compute();
      this.choose(this.name);
    }

    build(about) {
      const step = (text, by) => {
        const button = element("button", { type: "button", class: "step" }, text);
        button.addEventListener("click", () => this.choose(this.names[this.names.indexOf(this.name) + by]));
        return button;
      };
      this.before = step("← before", -1);
      this.next = step("next →", 1);
      this.said = element("div", { class: "said", "aria-live": "polite" });
      this.picture = element("div", { class: "picture" });
      this.scale = element("p", { class: "scale note" });
      this.cell = element("p", { class: "cell", "aria-live": "polite" });
      this.table = element("div", { class: "table-wrapper", tabindex: "0", role: "group", "aria-label": "the value by backend" });
      this.apart = element("p", { class: "apart" });
      this.complaint = element("p", { class: "note", "aria-live": "polite" });
      this.verdict = new window.Verdict();
      const own = live ? [element("div", { class: "controls" },
        field("The text", "own", this.data.text, (text) => this.take(text)),
        choice("Plant a bug", "bug", [["", "none"], ...Object.keys(live.bugs).map((bug) => [bug, bug])], (bug) => { this.bug = bug; this.renew(); })),
        this.complaint, this.verdict.element] : [];
      const names = Object.entries(live ? BACKENDS : window.play.BACKENDS);
      about.append(
        ...own,
        element("div", { class: "controls" }, this.before, this.next,
          choice("Drawn as computed by", "backend", names, (backend) => { this.backend = backend; this.paint(); })),
        this.said, this.picture, this.scale, this.cell, this.table, this.apart,
        element("p", { class: "code" }, "The code that computes it:"));
    }

    choose(name) {
      this.name = name;
      const { sentence, letters, kind } = this.tap;
      const { shape } = this;
      const at = this.names.indexOf(name);
      for (const [other, button] of this.buttons) {
        button.setAttribute("aria-pressed", String(other === name));
        button.tabIndex = other === name ? 0 : -1;
      }
      this.reveal(this.buttons.get(name));
      this.before.disabled = at === 0;
      this.next.disabled = at === this.names.length - 1;
      this.said.replaceChildren(
        element("p", {}, element("code", { class: "title" }, name), " ",
          element("span", { class: "shape" }, list([...letters])), " = ", element("span", { class: "numbers" }, list(shape))),
        element("p", {}, sentence));
      for (const code of this.codes) code.hidden = code.dataset.kind !== kind;
      this.tell();
      this.paint();
    }

    // On a narrow screen the diagram scrolls separately; the page does not move.
    reveal(button) {
      const whole = this.place.querySelector(".whole");
      const seen = button.offsetTop >= whole.scrollTop
        && button.offsetTop + button.offsetHeight <= whole.scrollTop + whole.clientHeight;
      if (!seen) whole.scrollTop = button.offsetTop - whole.clientHeight / 2;
    }

    // The values of each backend, with all digits.
    tell() {
      const backends = this.text === null ? this.tap.backends : {};
      const head = ["", "smallest", "largest", "mean", this.text === null ? "furthest from another" : ""];
      const body = Object.entries(backends).map(([backend, { min, max, mean, apart }]) => element("tr", { "data-backend": backend },
        element("th", { scope: "row" }, BACKENDS[backend]),
        ...[min, max, mean].map((number) => element("td", {}, String(number))),
        element("td", {}, apart.largest === 0 ? "0" : `${apart.largest} (${BACKENDS[apart.from]})`)));
      if (live) {
        body.push(element("tr", { "data-backend": "javascript" }, element("th", { scope: "row" }, BACKENDS.javascript),
          ...summary(this.here.values).map((number) => element("td", {}, String(number))),
          element("td", {}, this.bug ? "with the bug" : "computed just now")));
      }
      this.table.replaceChildren(element("table", { class: "docutils" },
        element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
        element("tbody", {}, ...body)));
      this.apart.hidden = this.text !== null;
      if (this.text !== null) return;
      const [backend, { apart }] = Object.entries(backends).reduce((a, b) => (b[1].apart.largest > a[1].apart.largest ? b : a));
      this.apart.dataset.largest = apart.largest;
      this.apart.dataset.at = apart.at;
      this.apart.textContent = apart.largest === 0
        ? `All in ${this.data.dtype}, and in all ${this.values.length} numbers not one bit differs.`
        : `All in ${this.data.dtype}. The largest difference is at ${list(apart.at)}: ${BACKENDS[backend]} has ${apart.here}, `
          + `${BACKENDS[apart.from]} has ${apart.there}. That is ${apart.relative.toExponential(1)} of the largest value; `
          + `the conformance suite allows ${this.data.limit.toExponential(0)}.`;
    }

    // The picture: one panel, or one for every head.
    paint() {
      const { letters } = this.tap;
      const [rows, columns] = this.shape.slice(-2);
      const panels = letters.includes("H") ? this.data.config.n_head : 1;
      const shares = /weights$|^probs$/.test(this.name);  // from 0 to 1, so that pictures can be compared
      this.largest = shares ? 1 : Math.max(...this.values.map(Math.abs)) || 1;
      this.picture.dataset.backend = this.backend;
      this.picture.classList.toggle("heads", panels > 1);
      this.picture.replaceChildren(...[...Array(panels).keys()].map((panel) => this.panel(panel, panels, rows, columns)));
      this.scale.classList.toggle("shares", shares);
      this.scale.replaceChildren(shares ? "0" : short(-this.largest),
        element("span", { class: "colours", "aria-hidden": "true" }), shares ? "1" : short(this.largest));
      this.cell.textContent = "Point at the picture, or go to it and use the arrow keys, to read a number.";
      delete this.cell.dataset.value;
    }

    panel(panel, panels, rows, columns) {
      const { letters } = this.tap;
      const { tokens } = this;
      const values = this.values.slice(panel * rows * columns, (panel + 1) * rows * columns);
      const across = letters === "BHTT" ? "keys" : DIMENSIONS[letters.at(-1)];
      const label = `${panels > 1 ? `Head ${panel} of ` : ""}${this.name}: ${rows} positions by ${columns} ${across}, `
        + `from ${short(Math.min(...values))} to ${short(Math.max(...values))}.`;
      const canvas = element("canvas", { width: columns, height: rows, tabindex: "0", role: "img", "aria-label": label });
      const pixels = new ImageData(columns, rows);
      values.forEach((value, i) => {
        pixels.data.set([...(value > 0 ? ABOVE : BELOW), Math.round(255 * Math.abs(value) / this.largest)], 4 * i);
      });
      canvas.getContext("2d").putImageData(pixels, 0, 0);
      let here = [0, 0];
      const read = (row, column) => {
        here = [Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1)];
        this.read(panel, panels, ...here, values[here[0] * columns + here[1]]);
      };
      canvas.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        read(Math.floor((event.clientY - box.top) / box.height * rows), Math.floor((event.clientX - box.left) / box.width * columns));
      });
      canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) read(...here); });
      canvas.addEventListener("keydown", (event) => {
        const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (!by) return;
        event.preventDefault();
        read(here[0] + by[0], here[1] + by[1]);
      });
      const names = (where, some = tokens) => element("div", { class: where, "aria-hidden": "true" }, ...some.map((token) => element("span", {}, token)));
      const above = { T: names("top"), V: names("top many", this.data.vocabulary) }[letters.at(-1)];
      return element("figure", { style: `--rows:${rows}` },
        ...(above ? [above] : []), names("side"), canvas,
        element("figcaption", {}, `${panels > 1 ? `head ${panel}: ` : ""}${columns} ${across} →`));
    }

    // One number of the picture.
    read(panel, panels, row, column, value) {
      const { letters } = this.tap;
      const { tokens, data: { vocabulary } } = this;
      const head = panels > 1 ? `head ${panel}, ` : "";
      const across = { T: `looks at “${tokens[column]}” (${column})`, V: `token “${vocabulary[column]}”` }[letters.at(-1)] || `channel ${column}`;
      this.cell.dataset.value = value;
      this.cell.textContent = `${head}position ${row}, “${tokens[row]}”, ${across}: ${String(value).replace("-", "−")}`;
    }

    move(event) {
      const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const at = this.names.indexOf(this.name);
      const to = { Home: 0, End: this.names.length - 1 }[event.key] ?? at + by;
      if (!(to in this.names)) return;
      event.preventDefault();
      this.choose(this.names[to]);
      this.buttons.get(this.name).focus();
    }
  }

  start("trace", (place, data) => new Trace(place, data));
})();
