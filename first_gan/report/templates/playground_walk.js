"use strict";
// A walk through latent space: a plane through three samples, the strongest directions, and the way to a frozen image.
const TILES = 9; // of the map, along a side
const CORNERS = [[4.5, 1.5], [1.5, 7.5], [7.5, 7.5]].map((corner) => corner.map((tile) => tile / TILES)); // where the samples lie
const REACH = 4; // of a slider; z itself is about √latent long
const walk = { samples: [], at: [0.5, 0.5], steps: model.directions.map(() => 0), frozen: null, mix: 0 };

// The latent vector at a place of the plane, (0, 0) to (1, 1), moved along the directions. The plane's own vectors are made as long
// as the samples are, in proportion to how near these lie: G has hardly seen shorter ones.
function latentAt([x, y]) {
  const [[ax, ay], [bx, by], [cx, cy]] = CORNERS;
  const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
  const b = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area, c = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area;
  const parts = [1 - b - c, b, c], weights = parts.map(Math.abs), whole = weights.reduce((sum, each) => sum + each);
  const flat = walk.samples[0].map((_, i) => parts.reduce((sum, part, at) => sum + part * walk.samples[at][i], 0));
  const length = weights.reduce((sum, weight, at) => sum + weight * norm(walk.samples[at]), 0) / whole;
  const scale = length / (norm(flat) || 1);
  return flat.map((value, i) => scale * value + walk.steps.reduce((sum, step, at) => sum + step * model.directions[at][i], 0));
}

const here = () => (walk.frozen && walk.mix ? slerp(latentAt(walk.at), walk.frozen, walk.mix) : latentAt(walk.at));

const show = eachFrame(() => {
  const image = generated(here());
  paint(byId("drawn"), image);
  showBelief("walk", last(forward(D, image))[0]);
  showOdds("walk", image);
  byId("drawn").setAttribute("aria-label", `The image that G makes of z; D finds it real by ${byId("walk-p").textContent}`);
  const place = walk.at.map((each) => Math.round(100 * each));
  byId("spot").style.left = `${place[0]}%`;
  byId("spot").style.top = `${place[1]}%`;
  byId("pad").setAttribute("aria-valuenow", String(place[0]));
  byId("pad").setAttribute("aria-valuetext", `${place[0]}% across, ${place[1]}% down; ${byId("walk-p").textContent} real, says D`);
});

// The plane as a map, a few tiles each frame, so that nothing waits for it.
let tile = TILES * TILES;
function drawMap() {
  if (tile >= TILES * TILES) requestAnimationFrame(someTiles);
  tile = 0;
}

function someTiles() {
  const ctx = byId("map").getContext("2d"), start = performance.now();
  do {
    const column = tile % TILES, row = Math.floor(tile / TILES);
    const image = generated(latentAt([(column + 0.5) / TILES, (row + 0.5) / TILES]));
    ctx.putImageData(rgba(toPixels(image)), column * WIDTH, row * HEIGHT);
    tile += 1;
  } while (tile < TILES * TILES && performance.now() - start < 8);
  if (tile < TILES * TILES) requestAnimationFrame(someTiles);
}

function refresh() {
  show();
  drawMap();
}

function newSamples() {
  walk.samples = CORNERS.map(newLatent);
  refresh();
}

function moveTo(x, y) {
  walk.at = [x, y].map((each) => Math.max(0, Math.min(1, each)));
  show();
}

function listenToPad() {
  const pad = byId("pad");
  const follow = (event) => {
    const box = pad.getBoundingClientRect();
    moveTo((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); follow(event); });
  pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) follow(event); });
  pad.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    moveTo(walk.at[0] + step[0] / 50, walk.at[1] + step[1] / 50);
  });
}

function makeSliders() {
  model.directions.forEach((_, number) => {
    const label = document.createElement("label"), name = document.createElement("span"), slider = document.createElement("input");
    label.className = "scrub";
    name.textContent = `direction ${number + 1}`;
    Object.assign(slider, { type: "range", min: -REACH, max: REACH, step: 0.1, value: 0 });
    slider.addEventListener("input", () => { walk.steps[number] = Number(slider.value); refresh(); });
    label.append(name, slider);
    byId("sliders").append(label);
  });
}

function level() {
  walk.steps.fill(0);
  for (const slider of byId("sliders").querySelectorAll("input")) slider.value = 0;
  refresh();
}

function mixTo(share) {
  walk.mix = share;
  byId("mix").value = 100 * share;
  byId("mix").setAttribute("aria-valuetext", `${Math.round(100 * share)}% of the way`);
  show();
}

function freeze() {
  walk.frozen = here();
  paint(byId("frozen"), generated(walk.frozen));
  byId("frozen-view").hidden = byId("frozen-tools").hidden = false;
  mixTo(0);
}

// Two seconds from the image of the pad to the frozen one.
let playing = 0;
function interpolate() {
  const mine = ++playing, start = performance.now();
  const step = (now) => {
    if (mine !== playing) return;
    mixTo(Math.min(1, Math.max(0, (now - start) / 2000)));
    if (walk.mix < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

byId("map").width = TILES * WIDTH;
byId("map").height = TILES * HEIGHT;
document.querySelectorAll(".ring").forEach((ring, at) => {
  ring.style.left = `${100 * CORNERS[at][0]}%`;
  ring.style.top = `${100 * CORNERS[at][1]}%`;
});
listenToPad();
makeSliders();
byId("new-z").addEventListener("click", newSamples);
byId("freeze").addEventListener("click", freeze);
byId("interpolate").addEventListener("click", interpolate);
byId("mix").addEventListener("input", (event) => { playing += 1; mixTo(event.target.value / 100); });
byId("level").addEventListener("click", level);
newSamples();
