// Every token of the explorer: its weight, the share that is written, and its shade.
// In one call: asking the browser for each number takes seconds.
return [...arguments[0].querySelectorAll(".token")].map((token) => [
  token.dataset.weight, token.querySelector(".share").textContent,
  Number(getComputedStyle(token.querySelector(".shade")).opacity)]);
