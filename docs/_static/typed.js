// One text, typed by the three backends at once: each character appears at the time measured in its
// backend, slowed down by a common factor. Before the first start, on paper, and with reduced motion,
// the whole text is shown.
(() => {
  "use strict";
  const { BACKENDS, start, element } = window.play;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const rounded = (value) => Math.round(value).toLocaleString("en");

  class Pane {
    constructor(backend, prompt, { text, at, ...speeds }) {
      this.text = text;
      this.at = at;
      this.written = element("span", { class: "written" });
      this.rest = element("span", { class: "rest", "aria-hidden": "true" });
      this.element = element("section", { class: `pane backend-${backend}`, "aria-label": BACKENDS[backend] },
        element("div", { class: "pane-head" },
          element("span", { class: "backend" }, BACKENDS[backend]),
          element("span", { class: "speed" }, `${rounded(speeds.tokens_per_second)} tokens/s`)),
        element("pre", {}, element("b", {}, prompt), this.written, this.rest),
        element("p", { class: "note" }, `${rounded(speeds.with_cache)} with the cache, ${rounded(speeds.without)} once the window is full`));
      this.show(Infinity);
    }

    // Show the text as it was after this many seconds. Returns whether it is complete.
    show(seconds) {
      let count = this.at.findIndex((at) => at > seconds);
      if (count < 0) count = this.text.length;
      this.written.textContent = this.text.slice(0, count);
      this.rest.textContent = this.text.slice(count);
      this.element.dataset.written = count;
      return count === this.text.length;
    }
  }

  class Typists {
    constructor(place, data) {
      this.place = place;
      this.slowed = data.slowed;
      this.panes = Object.entries(data.backends).map(([backend, found]) => new Pane(backend, data.prompt, found));
      this.elapsed = 0;  // measured seconds of writing so far
      this.running = null;  // the next frame; null: stopped
      this.button = element("button", { type: "button" }, "Play");
      this.said = element("p", { class: "said" }, this.agreement(data));
      this.button.addEventListener("click", () => this.press());
      place.classList.add("typed");
      place.append(
        element("div", { class: "controls" }, this.button,
          element("span", { class: "note" }, `${data.slowed} times as slow as it was measured`)),
        element("div", { class: "panes" }, ...this.panes.map((pane) => pane.element)),
        this.said);
      window.addEventListener("beforeprint", () => this.end());
    }

    agreement({ backends, prompt }) {
      const [first, ...others] = Object.values(backends).map(({ text }) => text);
      const same = others.every((other) => other === first);
      return same
        ? `After the prompt, all three wrote the same ${first.length} characters.`
        : `After the prompt ${JSON.stringify(prompt)}, the three did not write the same text.`;
    }

    press() {
      if (this.running !== null) return this.stop("Go on");
      if (still.matches) return this.end();
      if (this.button.textContent === "Again") this.elapsed = 0;
      this.button.textContent = "Pause";
      this.running = requestAnimationFrame((now) => this.frame(now, now));
    }

    frame(now, before) {
      this.elapsed += (now - before) / 1000 / this.slowed;
      this.place.dataset.elapsed = this.elapsed;
      const ended = this.panes.map((pane) => pane.show(this.elapsed)).every(Boolean);
      if (ended) return this.stop("Again");
      this.running = requestAnimationFrame((then) => this.frame(then, now));
    }

    stop(next) {
      cancelAnimationFrame(this.running);
      this.running = null;
      this.button.textContent = next;
    }

    end() {
      this.stop("Again");
      this.panes.forEach((pane) => pane.show(Infinity));
    }
  }

  start("typed", (place, data) => new Typists(place, data));
})();
