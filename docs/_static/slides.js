// A page as slides: one section at a time, in large type. Right and left turn them, Escape ends.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const page = document.querySelector("article > section");
  const sections = page ? [...page.querySelectorAll(":scope > section")] : [];
  if (sections.length < 2 || !page.querySelector(".three, .pane.one")) return;
  const root = document.documentElement;
  // The first slide: what stands above the first section.
  const slides = [[...page.children].filter((child) => !sections.includes(child)), ...sections.map((one) => [one])];
  let now = 0;
  let place = 0; // where the reader was on the page

  const button = (text, name, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (name) made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    return made;
  };
  const count = document.createElement("span");
  count.setAttribute("aria-live", "polite");
  const bar = document.createElement("div");
  bar.className = "slides-bar";
  bar.append(
    button("←", "previous slide", () => turn(now - 1)), count, button("→", "next slide", () => turn(now + 1)),
    button("×", "end the slides", () => end()));
  bar.hidden = true;
  document.body.append(bar);
  const begin = button("Show as slides", "", () => {
    place = window.scrollY;
    root.classList.add("slides");
    bar.hidden = false;
    turn(0);
    bar.querySelector("button:nth-of-type(2)").focus();
  });
  begin.className = "slides-begin";
  page.querySelector("h1").after(begin);

  function turn(to) {
    now = Math.max(0, Math.min(slides.length - 1, to));
    slides.forEach((parts, i) => parts.forEach((part) => part.classList.toggle("another-slide", i !== now)));
    count.textContent = `${now + 1} / ${slides.length}`;
    window.scrollTo(0, 0);
  }

  function end() {
    for (const part of slides.flat()) part.classList.remove("another-slide");
    root.classList.remove("slides");
    bar.hidden = true;
    window.scrollTo(0, place);
    begin.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (bar.hidden || event.altKey || event.ctrlKey || event.metaKey) return;
    // In a field, a slider or the code, the arrows have a meaning of their own.
    if (event.target.matches("input, textarea, select, pre, [role=tab]") && event.key !== "Escape") return;
    if (["ArrowRight", "PageDown"].includes(event.key)) turn(now + 1);
    else if (["ArrowLeft", "PageUp"].includes(event.key)) turn(now - 1);
    else if (event.key === "Escape") end();
    else return;
    event.preventDefault();
  });
});
