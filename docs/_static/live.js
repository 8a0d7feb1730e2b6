// The trained model of this site, run in the reader's browser: gpt.js with the weights of model.js.
// Figures use window.live, which is null if the model was not measured.
window.live = (() => {
  "use strict";
  const { trained, makeGPT } = window;
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

  const decode = (ids) => ids.map((id) => vocabulary[id]).join("");

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

  return { config, trained, bugs, names: shown, program, encode, decode, complaint, trace, write };
})();
