// The colours of a canvas, four numbers each.
const [canvas] = arguments;
return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
