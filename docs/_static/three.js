// The three columns: tabs on a narrow screen, corresponding lines shown together, copy buttons.
// Without this script, all of the code is shown in one column.
"use strict";

const wide = window.matchMedia("(min-width: 68em)");

function sharesRow(unit, other) {
  const rows = new Set(unit.dataset.links.split(" "));
  return other.dataset.links.split(" ").some((row) => rows.has(row));
}

class Three {
  constructor(element) {
    this.element = element;
    this.panes = [...element.querySelectorAll(".pane")];
    this.units = [...element.querySelectorAll(".unit")];
    this.tablist = element.querySelector("[role=tablist]");
    this.tabs = [...this.tablist.querySelectorAll("[role=tab]")];
    this.spoken = element.querySelector(".three-counterparts");
    this.tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => this.choose(i));
      tab.addEventListener("keydown", (event) => this.moveTab(event, i));
    });
    for (const unit of this.units) {
      unit.addEventListener("pointerenter", () => this.show(unit, false));
      unit.addEventListener("click", () => this.show(unit, true));
    }
    element.addEventListener("pointerleave", () => this.clear());
    for (const pane of this.panes) {
      const code = pane.querySelector("pre");
      if (!code || !pane.querySelector(".unit")) continue;
      code.addEventListener("keydown", (event) => this.moveLine(event, pane));
      code.addEventListener("focus", () => {
        if (code.matches(":focus-visible")) this.show(pane.querySelector(".unit.here") || pane.querySelector(".unit"), true);
      });
      code.addEventListener("blur", () => this.clear());
    }
    this.choose(0);
    this.arrange();
  }

  // Columns or tabs, depending on the width of the window.
  arrange() {
    const tabbed = !wide.matches;
    this.element.classList.toggle("tabbed", tabbed);
    this.tablist.hidden = !tabbed;
    for (const [i, pane] of this.panes.entries()) {
      if (tabbed) {
        pane.setAttribute("role", "tabpanel");
        pane.setAttribute("aria-labelledby", this.tabs[i].id);
      } else {
        pane.removeAttribute("role");
        pane.removeAttribute("aria-labelledby");
      }
    }
    this.clear();
  }

  choose(chosen) {
    this.tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      this.panes[i].classList.toggle("chosen", i === chosen);
    });
  }

  moveTab(event, i) {
    const last = this.tabs.length - 1;
    const to = { ArrowRight: i === last ? 0 : i + 1, ArrowLeft: i === 0 ? last : i - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.choose(to);
    this.tabs[to].focus();
  }

  moveLine(event, pane) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const units = [...pane.querySelectorAll(".unit")].filter(shownCode);
    const here = units.findIndex((unit) => unit.classList.contains("here"));
    const to = units[Math.min(Math.max(here + step, 0), units.length - 1)];
    this.show(to, true);
    to.scrollIntoView({ block: "nearest" });
  }

  clear() {
    for (const unit of this.units) unit.classList.remove("here", "there");
    this.spoken.textContent = "";
  }

  // Marks a line and its counterparts; on request also writes them for screen readers.
  show(unit, spoken) {
    this.clear();
    unit.classList.add("here");
    const pane = unit.closest(".pane");
    const others = this.units.filter((other) => other.closest(".pane") !== pane && sharesRow(unit, other));
    for (const other of others) other.classList.add("there");
    if (!spoken && wide.matches) return;
    const lines = others.map((other) => `${other.closest(".pane").dataset.backend}: ${shownCode(other)}`);
    this.spoken.textContent = lines.join("\n") || "no counterpart in the other two";
  }
}

// The code of a line, as far as it is shown: see plain.js.
function shownCode(unit) {
  const copy = unit.cloneNode(true);
  if (document.documentElement.classList.contains("plain")) copy.querySelectorAll(".aside").forEach((aside) => aside.remove());
  return copy.textContent.trim();
}

async function copyCode(button) {
  const text = button.closest(".pane").querySelector("pre").textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    button.textContent = "not allowed";
  }
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

document.addEventListener("DOMContentLoaded", () => {
  const all = [...document.querySelectorAll(".three")].map((element) => new Three(element));
  wide.addEventListener("change", () => all.forEach((three) => three.arrange()));
  for (const button of document.querySelectorAll(".pane .copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copyCode(button));
  }
  // Show everything on paper.
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details.output, details.fell")) details.open = true;
  });
});
