// The kill matrix: point at a bug, or go to it with Tab or the arrow keys, to read below the table
// what the mistake is and which checks find it in which backend.
(() => {
  "use strict";
  const { BACKENDS, element } = window.play;
  const backends = Object.entries(BACKENDS);

  class Matrix {
    constructor(place) {
      this.about = place.querySelector(".about");
      this.rows = [...place.querySelectorAll("tbody tr[data-story]")];
      const [chapters, titles] = place.querySelectorAll("thead tr");
      const names = [...chapters.querySelectorAll("th")].flatMap((head) => Array(head.colSpan).fill(head.textContent));
      this.checks = [...titles.querySelectorAll("th")].map((head, i) => ({ head, chapter: names[i], title: head.textContent }));
      this.rows.forEach((row, i) => {
        const button = row.querySelector("button");
        button.tabIndex = i === 0 ? 0 : -1;
        button.addEventListener("focus", () => this.show(row));
        button.addEventListener("click", () => this.show(row));
        button.addEventListener("keydown", (event) => this.move(event, i));
        row.addEventListener("pointerover", (event) => this.show(row, event.target.closest("td")));
      });
    }

    // `cell` is the cell under the pointer, if any.
    show(row, cell) {
      for (const marked of [this.row, this.head]) if (marked) marked.classList.remove("here");
      this.row = row;
      row.classList.add("here");
      const at = cell ? [...row.querySelectorAll("td")].indexOf(cell) : -1;
      this.head = at < 0 ? null : this.checks[at].head;
      if (this.head) this.head.classList.add("here");
      const said = backends.map(([backend, name]) => {
        const fell = this.fell(row, name[0]);
        const count = row.dataset[backend];
        return element("li", { "data-backend": backend }, element("b", {}, `${name}: `),
          count ? `${count} checks fell${fell ? `. ${fell}` : ""}.` : "has no such bug, or it was not judged.");
      });
      const words = [element("p", {}, element("code", {}, row.querySelector("th").textContent), ` ${row.dataset.story}.`)];
      if (this.head) words.push(element("p", { class: "check" }, `${this.checks[at].chapter}, ${this.checks[at].title}: ${this.seen(cell.textContent)}`));
      this.about.replaceChildren(...words, element("ul", {}, ...said));
    }

    // "forward: logits, taps; loss: loss"
    fell(row, letter) {
      const chapters = new Map();
      row.querySelectorAll("td").forEach((td, i) => {
        const { chapter, title } = this.checks[i];
        if (td.textContent.includes(letter)) chapters.set(chapter, [...(chapters.get(chapter) || []), title]);
      });
      return [...chapters].map(([chapter, titles]) => `${chapter}: ${titles.join(", ")}`).join("; ");
    }

    seen(letters) {
      if (letters === "") return "not asked.";
      if (letters === "·") return "seen, and not killed.";
      return `killed in ${backends.filter(([, name]) => letters.includes(name[0])).map(([, name]) => name).join(", ")}.`;
    }

    move(event, i) {
      const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: this.rows.length - 1 }[event.key];
      if (to === undefined || !this.rows[to]) return;
      event.preventDefault();
      const button = this.rows[to].querySelector("button");
      this.rows[i].querySelector("button").tabIndex = -1;
      button.tabIndex = 0;
      button.focus();
    }
  }

  for (const place of document.querySelectorAll('[data-play="kills"]')) new Matrix(place);
})();
