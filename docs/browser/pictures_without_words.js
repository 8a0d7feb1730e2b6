// The pictures that a screen reader would skip without a word.
return [...document.querySelectorAll("article svg, article canvas, article img")]
  .filter((picture) => !picture.closest("[aria-hidden=true], [role=img][aria-label], [alt]"))
  .map((picture) => picture.outerHTML.slice(0, 80));
