// The elements that are cut off at the right and cannot be scrolled into view.
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
const inside = (element) =>
  !element.matches("article") && (scrolls(element) || inside(element.parentElement));
return [...document.querySelectorAll("article *")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .filter((element) => !inside(element.parentElement))
  .map((element) => element.outerHTML.slice(0, 80));
