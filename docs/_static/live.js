// The trained model of this site, run in the reader's browser: gpt.js with the weights of model.js.
// Figures use window.live, which is null if the model was not measured. One figure is in this file: the
// box in which the model writes.
window.live = (() => {
  "use strict";
  const { trained, play, makeGPT } = window;
  if (!trained) return null;
  const { config, vocabulary, shown, bugs } = trained;
  const NAMED = 10;  // unknown characters

  // A tensor as rows of float64.
  function rows({ shape, base64 }) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const values = Float64Array.from(new Float32Array(bytes.buffer));
    if (shape.length === 1) return values;
    return Array.from({ length: shape[0] }, (_, i) => values.subarray(i * shape[1], (i + 1) * shape[1]));
  }

  const weights = Object.fromEntries(Object.entries(trained.weights).map(([name, tensor]) => [name, rows(tensor)]));
  const programs = new Map();

  // The program, and its model. With the name of a bug, the text of the program is changed first.
  function program(bug = "") {
    if (!programs.has(bug)) {
      let text = makeGPT.toString();
      if (bug) text = text.replace(bugs[bug].edit[0], () => bugs[bug].edit[1]);
      const gpt = new Function(`return (${text})();`)();
      programs.set(bug, { ...gpt, model: new gpt.GPT(config, weights) });
    }
    return programs.get(bug);
  }

  // The ids of a text, a character each, and the characters that the model does not know.
  function encode(text) {
    const known = [...text].filter((character) => vocabulary.includes(character));
    const unknown = [...new Set([...text].filter((character) => !known.includes(character)))];
    return { ids: known.map((character) => vocabulary.indexOf(character)), unknown };
  }

  // A note on a text: what was left out of it, or what is shown if nothing is left.
  function complaint({ ids, unknown }, most = Infinity, instead = "") {
    const named = unknown.filter((character) => /[^\p{C}\p{M}]/u.test(character)).slice(0, NAMED).map((character) => `“${character}”`);
    const others = unknown.length - named.length;
    if (others) named.push(`${others} other${others > 1 ? "s" : ""}`);
    return [
      unknown.length ? `The model has never seen ${named.join(", ")}: left out.` : "",
      ids.length > most ? `The model sees ${most} characters: the rest is left out.` : "",
      ids.length ? "" : `Type something.${instead && ` Until then, this is “${instead}”.`}`,
    ].filter(Boolean).join(" ");
  }

  const flat = (value) => (typeof value === "number" ? [value] : Array.from(value).flatMap(flat));

  // Every named value: its shape with B = 1, and its numbers.
  function trace(ids, bug = "") {
    const taps = {};
    program(bug).model.forward(ids, null, (name, value) => {
      const shape = [1];
      for (let part = value; typeof part === "object"; [part] = part) shape.push(part.length);
      taps[name] = { shape, values: flat(value) };
    });
    return taps;
  }

  // The characters that follow, one by one.
  function* write(ids, options, bug = "") {
    for (const [token] of program(bug).model.decode(ids, options)) yield vocabulary[token];
  }

  return { config, trained, bugs, names: shown, program, encode, complaint, trace, write };
})();

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
      this.prompt.textContent = ids.map((id) => live.trained.vocabulary[id]).join("");
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

  play.start("live", (place) => new Box(place));
})();
