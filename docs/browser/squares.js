// Every square of the map: its weight and its shade.
return [...arguments[0].querySelectorAll("svg rect[data-weight]")].map((square) => [
  Number(square.dataset.weight), Number(getComputedStyle(square).fillOpacity)]);
