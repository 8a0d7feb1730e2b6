// A click misses while the page is still scrolling.
addEventListener("DOMContentLoaded", () => {
  document.documentElement.style.scrollBehavior = "auto";
});
