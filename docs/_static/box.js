// The box in which the model writes, one piece after the other.
(() => {
  "use strict";
  const { live, play } = window;
  if (!live) return;
  const { element, slider, field } = play;
  const LENGTH = 300;
  const PROMPT = 300;  // characters; the model sees fewer
  const FRAME = 12;  // milliseconds of writing between two pictures
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  class Box {
    constructor(place) {
      this.place = place;
      this.settings = { prompt: live.trained.prompt, temperature: 0.7, seed: 9 };
      const set = (what) => (value) => { this.settings[what] = value; this.begin(); };
      this.said = element("p", { class: "note", "aria-live": "polite" });
      this.prompt = element("b");
      this.written = element("span", { class: "written" });
      this.speed = element("p", { class: "note" });
      const again = element("button", { type: "button" }, "Another text");
      again.addEventListener("click", () => { this.settings.seed += 1; this.begin(); });
      place.append(
        element("div", { class: "controls" },
          field("Begin with", "prompt", this.settings.prompt, set("prompt"), { rows: 2 }),
          slider("Temperature", "temperature", { min: 0, max: 2, step: 0.05, value: 0.7 }, set("temperature"),
            (value) => (value === 0 ? "0: greedy" : value.toFixed(2))),
          again),
        this.said,
        element("pre", { tabindex: 0, "aria-label": "what the model writes" }, this.prompt, this.written),
        this.speed);
      this.begin();
    }

    begin() {
      const found = live.encode(this.settings.prompt);
      const ids = found.ids.slice(-PROMPT);
      this.said.textContent = live.complaint(found);
      cancelAnimationFrame(this.frame);
      this.prompt.textContent = live.decode(ids);
      this.written.textContent = "";
      this.speed.textContent = "";
      this.found = "";
      this.place.dataset.state = "empty";
      if (!ids.length) return;
      const { temperature, seed } = this.settings;
      this.text = live.write(ids, { max_new_tokens: LENGTH, temperature, seed });
      this.milliseconds = 0;
      this.place.dataset.state = "writing";
      this.go();
    }

    // Write for the duration of a frame, and continue in the next one. With reduced motion, the text
    // is shown when it is complete.
    go() {
      const began = performance.now();
      let next = { done: false };
      while (!next.done && performance.now() - began < FRAME) {
        next = this.text.next();
        if (!next.done) this.found += next.value;
      }
      if (next.done || !still.matches) this.written.textContent = this.found;
      this.milliseconds += performance.now() - began;
      const speed = Math.round(1000 * this.found.length / this.milliseconds);
      this.speed.textContent = `${speed.toLocaleString("en")} characters per second, computed in this browser.`;
      if (next.done) this.place.dataset.state = "done";
      else this.frame = requestAnimationFrame(() => this.go());
    }
  }

  play.start("box", (place) => new Box(place));
})();
