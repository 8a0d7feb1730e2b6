// Speed up the clock of the typing, so that the tests do not wait.
const slow = window.requestAnimationFrame;
window.requestAnimationFrame = (then) => slow((now) => then(20 * now));
