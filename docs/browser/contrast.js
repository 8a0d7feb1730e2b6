// Every visible text on the page, with its contrast as WCAG 2 defines it: the ratio of the
// luminances of its colour and of its background. Returns the smallest ratio for each pair of colours.
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const brush = canvas.getContext("2d", { willReadFrequently: true });
const known = new Map();

// Red, green and blue from 0 to 255 and alpha from 0 to 1, of any CSS colour.
function channels(color) {
  if (!known.has(color)) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = color;
    brush.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
    known.set(color, [r, g, b, a / 255]);
  }
  return known.get(color);
}

function over([r, g, b, a], behind) {
  return [r, g, b].map((channel, i) => a * channel + (1 - a) * behind[i]);
}

// The colour behind an element: the backgrounds of its ancestors, on the white of the window.
function background(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((behind, layer) => over(layer, behind), [255, 255, 255]);
}

function luminance(color) {
  const [r, g, b] = color.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const worst = new Map();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const element = text.parentElement;
  if (!text.data.trim() || element.closest("script, style, noscript, template")) continue;
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
  const style = getComputedStyle(element);
  const behind = background(element);
  const color = over(channels(element instanceof SVGElement ? style.fill : style.color), behind);
  const [light, dark] = [luminance(color), luminance(behind)].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  const pair = `${color.map(Math.round)} on ${behind.map(Math.round)}`;
  if (!worst.has(pair)) worst.set(pair, { ratio, text: text.data.trim().slice(0, 40), pair, element: element.className?.baseVal ?? element.className });
}
return [...worst.values()];
