// Plain code: types and taps are hidden until they are asked for. Without this script they are shown.
"use strict";

const HIDDEN = "minigpt-plain";

// The index of the first of `stops` that is outside of brackets, strings and comments.
function seek(text, from, stops) {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i];
    if (char === "#") i = text.indexOf("\n", i);
    else if (char === '"' || char === "'") i = text.indexOf(char, i + 1);
    else if (depth === 0 && stops.includes(char)) return i;
    else if ("([{".includes(char)) depth += 1;
    else if (")]}".includes(char)) depth -= 1;
    if (i < 0) break;
  }
  return text.length;
}

// What may be left out of Python code, as pairs of indices.
function asides(text) {
  const found = [];
  for (const def of text.matchAll(/^ *def \w+\(/gm)) {
    let i = def.index + def[0].length;
    while (i < text.length && text[i - 1] !== ")") {
      i = seek(text, i, ":=,)");
      if (text[i] === ":") {
        const colon = i;
        i = seek(text, i, "=,)");
        const type = text.slice(colon, i);
        found.push([colon, text[i] === "=" ? i : colon + type.trimEnd().length]);
        if (text[i] === "=") found.push([i + 1, i + 2]); // the space after it
      }
      if (text[i] === "=") i = seek(text, i, ",)");
      i += 1;
    }
    if (text.startsWith(" -> ", i)) found.push([i, (i = seek(text, i, ":"))]);
  }
  for (const { index, groups, 0: whole } of text.matchAll(/^ *(?:self\.)?\w+(?<type>: [^=\n]+?) = /gm)) {
    const start = index + whole.length - groups.type.length - 3;
    if (!found.some(([from, to]) => from <= start && start < to) && inFunction(text, index)) {
      found.push([start, start + groups.type.length]);
    }
  }
  for (const { index, 0: whole } of text.matchAll(/(?:\bself\.)?\btap\(f?"[^"]*", /g)) {
    const inside = index + whole.length;
    const end = seek(text, inside, ")");
    found.push([index, inside], [end, end + 1]);
  }
  // A statement of taps alone, as in `k = tap("k", k)`, goes as a whole.
  const hidden = (i) => found.some(([from, to]) => from <= i && i < to);
  for (const { index, 0: line } of text.matchAll(/^ .*\btap\(.*\n/gm)) {
    const rest = [...line].filter((_, i) => !hidden(index + i)).join("");
    const [target, value] = rest.split("=").map((side) => side.trim());
    if (target === value) found.push([index, index + line.length]);
  }
  return found.sort(([a, c], [b, d]) => a - b || d - c);
}

// Whether a line is in a function, and not in a class, where an annotation declares a field.
function inFunction(text, index) {
  let indent = Infinity;
  for (const line of text.slice(0, text.indexOf("\n", index + 1)).split("\n").reverse()) {
    const own = line.search(/\S/);
    if (own < 0 || own >= indent) continue;
    indent = own;
    if (/^ *(def |\) ?->|\):)/.test(line)) return true;
    if (/^ *class /.test(line)) return false;
  }
  return false;
}

// Put these parts of an element's text into elements of their own.
function mark(code, ranges) {
  const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
  let start = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const end = start + node.length;
    const range = ranges.find(([from, to]) => from < end && to > start);
    if (range) {
      const [from, to] = range;
      if (from > start) {
        node.splitText(from - start); // the rest is the next node
      } else {
        if (to < end) node.splitText(to - start);
        const aside = document.createElement("span");
        aside.className = "aside";
        node.replaceWith(aside);
        aside.append(node);
        walker.currentNode = node;
      }
    }
    start += node.length;
  }
}

function remembered() {
  try {
    return localStorage.getItem(HIDDEN) !== "no";
  } catch {
    return true;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const blocks = [...document.querySelectorAll(".three .pane pre:has(.unit), .pane.one pre")];
  for (const code of blocks) mark(code, asides(code.textContent));
  const first = document.querySelector(".three:has(.aside), .pane.one:has(.aside)");
  if (!first) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plainly";
  const show = (plain) => {
    document.documentElement.classList.toggle("plain", plain);
    button.textContent = plain ? "Show types and taps" : "Hide types and taps";
  };
  button.addEventListener("click", () => {
    const plain = !document.documentElement.classList.contains("plain");
    show(plain);
    try {
      localStorage.setItem(HIDDEN, plain ? "yes" : "no");
    } catch { /* the choice lasts for this page */ }
  });
  show(remembered());
  first.before(button);
});
