// Common code of the interactive figures: their numbers, and controls with a label.
// A figure is a function (element, data) in its own script, which fills `element`.
window.play = (() => {
  "use strict";

  const BACKENDS = { numpy: "NumPy", torch: "PyTorch", jax: "JAX" };

  // A browser that comes back to a page must not fill in old values: the figure begins again.
  const FRESH = { autocomplete: "off" };

  function start(name, make) {
    const numbers = document.getElementById(`data-${name}`);
    for (const place of document.querySelectorAll(`[data-play="${name}"]`)) {
      make(place, JSON.parse(numbers.textContent));
    }
  }

  // element("p", { class: "note" }, "some ", element("b", {}, "text"))
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // A label with a <select> in it. `options` are [value, text].
  function choice(label, name, options, changed) {
    const select = element("select", { name, ...FRESH }, ...options.map(([value, text]) => element("option", { value }, text)));
    select.addEventListener("change", () => changed(select.value));
    return element("label", { class: "control" }, element("span", {}, label), select);
  }

  // A label with a text box in it, which reports every change.
  function field(label, name, value, changed, attributes = { rows: 1 }) {
    const input = element("textarea", { name, spellcheck: "false", ...FRESH, ...attributes }, value);
    input.addEventListener("input", () => changed(input.value));
    return element("label", { class: "control field" }, element("span", {}, label), input);
  }

  // A label with a slider in it, and its value, formatted by `show`.
  function slider(label, name, range, changed, show) {
    const input = element("input", { type: "range", name, ...FRESH, ...range });
    const output = element("output");
    const tell = () => {
      output.textContent = show(input.valueAsNumber);
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => { tell(); changed(input.valueAsNumber); });
    tell();
    return element("label", { class: "control slider" }, element("span", {}, label), input, output);
  }

  // 0.4137 as "41", 0.0413 as "4.1".
  function percent(share) {
    if (share === 0) return "0";
    return share < 0.0005 ? "<0.1" : (100 * share).toFixed(share < 0.0995 ? 1 : 0);
  }

  return { BACKENDS, start, element, choice, field, slider, percent };
})();
