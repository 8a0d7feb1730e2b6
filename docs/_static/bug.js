// What is said of a planted bug on the trace page: its story, the first wrong box, and the text.
window.Verdict = (() => {
  "use strict";
  const { live, play: { element } } = window;
  const WRITTEN = 40;
  const PAUSE = 200;  // milliseconds
  const line = (title, text) => element("p", {}, `${title}: `, element("code", {}, text));

  return class Verdict {
    element = element("div", { class: "verdict", hidden: "" });

    // wrong: the boxes with a wrong value, of so many.
    tell(bug, ids, wrong, boxes) {
      clearTimeout(this.writing);
      this.element.hidden = !bug;
      this.element.dataset.begins = wrong[0] || "";
      if (!bug) return;
      const { story, edit: [before, after] } = live.bugs[bug];
      const texts = element("div", {}, element("p", { class: "note" }, "writing …"));
      this.element.replaceChildren(
        element("p", {}, element("b", {}, bug), `: ${story}.`),
        line("was", before), line("is", after),
        element("p", { "aria-live": "polite" }, wrong.length
          ? `${wrong.length} of ${boxes} boxes are wrong. The first is ${wrong[0]}.`
          : "No box is wrong for this text."),
        texts,
        line("To plant it in the three backends, and see which checks fail", `nox -s break -- ${bug}`));
      this.writing = setTimeout(() => {  // once the reader pauses
        texts.replaceChildren(...this.texts(ids, wrong, bug));
        this.element.dataset.told = bug;
      }, PAUSE);
    }

    // What the model writes after the text, without the bug and with it.
    texts(ids, wrong, bug) {
      const options = { max_new_tokens: WRITTEN, temperature: 0.7, seed: 9 };
      const [right, other] = ["", bug].map((name) => [...live.write(ids, options, name)].join(""));
      const shown = right === other
        ? `The model goes on writing the same: this text does not show the bug${wrong.length ? "" : " at all. Take another"}.`
        : wrong.length ? "" : "Only writing shows the bug.";
      return [line("Without it, the model goes on", right), line("With it", other), element("p", {}, shown)];
    }
  };
})();
