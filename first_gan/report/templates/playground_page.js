"use strict";
// What the parts of the playground share: the networks, latent vectors, and how an image and the opinions of it are shown.
const model = JSON.parse(document.getElementById("model").textContent);
const G = readChain(model.generator), D = readChain(model.discriminator), judge = model.judge && readChain(model.judge);
const [CHANNELS, HEIGHT, WIDTH] = model.shape, SIZE = count(model.shape);
const reals = splitReals(bytesOf(model.real));

const byId = (id) => document.getElementById(id);
const percent = (p) => `${p > 0.01 && p < 0.99 ? Math.round(100 * p) : (100 * p).toFixed(1)}%`;
const scaled = (pixels) => Float32Array.from(pixels, (pixel) => pixel / 127.5 - 1);
const last = (outputs) => outputs.at(-1);
const generated = (z) => last(forward(G, z));
const realness = (image) => sigmoid(last(forward(D, image))[0]);

function splitReals(bytes) {
  const images = [];
  for (let at = 0; at < bytes.length; at += SIZE) images.push(bytes.subarray(at, at + SIZE));
  return images;
}

// Random numbers that are the same at each visit (mulberry32), and normal ones of them (Box & Muller).
let state = 1;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const newLatent = () => Float32Array.from({ length: model.latent }, normal);

const norm = (z) => Math.sqrt(z.reduce((sum, value) => sum + value * value, 0));

// From one latent vector to another along a circle, as in first_gan/drawing/latent.py.
function slerp(start, end, t) {
  const dot = start.reduce((sum, value, i) => sum + value * end[i], 0);
  const angle = Math.acos(Math.max(-1, Math.min(1, dot / (norm(start) * norm(end) || 1))));
  const straight = Math.sin(angle) < 1e-6;
  const first = straight ? 1 - t : Math.sin((1 - t) * angle) / Math.sin(angle);
  const second = straight ? t : Math.sin(t * angle) / Math.sin(angle);
  return start.map((value, i) => first * value + second * end[i]);
}

// Draws an image of numbers in [-1, 1] on a canvas, which becomes as large as the image.
function paint(canvas, image) {
  paintPixels(canvas, toPixels(image));
}

function paintPixels(canvas, pixels) {
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  canvas.getContext("2d").putImageData(rgba(pixels), 0, 0);
}

function rgba(pixels) {
  const data = new ImageData(WIDTH, HEIGHT), plane = WIDTH * HEIGHT;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = pixels[(CHANNELS === 3 ? c : 0) * plane + i];
    data.data[4 * i + 3] = 255;
  }
  return data;
}

// D's probability that an image is real, in words and on its gauge; null: there is no image.
function showBelief(part, logit) {
  const p = logit === null ? null : sigmoid(logit);
  byId(`${part}-p`).textContent = p === null ? "–" : percent(p);
  byId(`${part}-note`).textContent = p === null ? "nothing to see yet" : "real, says D";
  byId(`${part}-note`).title = p === null ? "" : `Its logit is ${logit.toFixed(2)}`;
  byId(`${part}-gauge`).style.left = `${100 * (p ?? 0.5)}%`;
  byId(`${part}-gauge`).hidden = p === null;
}

// The judge's ten probabilities as bars; null: there is no image.
function showOdds(part, image) {
  const area = byId(`${part}-odds`);
  if (!area) return;
  const odds = image === null ? Array(10).fill(0) : softmax(last(forward(judge, image)));
  const most = odds.indexOf(Math.max(...odds));
  [...area.children].forEach((each, digit) => {
    each.querySelector("i").style.height = `${100 * odds[digit]}%`;
    each.title = `${digit}: ${percent(odds[digit])}`;
    each.classList.toggle("most", image !== null && digit === most);
  });
  area.setAttribute("aria-label", image === null ? "Nothing to judge yet" : `The judge takes it for a ${most}, by ${percent(odds[most])}`);
}

// Runs something once before the next frame, however often it is asked for.
function eachFrame(action) {
  let asked = false;
  return () => {
    if (!asked) requestAnimationFrame(() => { asked = false; action(); });
    asked = true;
  };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
