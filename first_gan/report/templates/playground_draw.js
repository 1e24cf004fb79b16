"use strict";
// Draw a digit: lines are kept as points, so that they can be made as large and thick as MNIST's, and taken back.
const paper = { shown: byId("paper"), base: null, strokes: [], before: [], erases: false, pen: [14, 14], down: false, keys: false };
const SIDE = 28, BOX = 20, RADIUS = 1.25, SOFT = 1.1; // pixels: of the image, of the digit in it; of the brush and of its edge

// How much of each pixel the strokes cover, 0 to 1, when points move by p → scale × p + shift.
function inked(base, strokes, scale = 1, shift = [0, 0]) {
  const ink = base ? Float32Array.from(base, (value) => (value + 1) / 2) : new Float32Array(SIDE * SIDE);
  for (const stroke of strokes) {
    const cover = covered(stroke.points.map(([x, y]) => [x * scale + shift[0], y * scale + shift[1]]));
    for (let i = 0; i < ink.length; i++) ink[i] = stroke.erases ? Math.min(ink[i], 1 - cover[i]) : Math.max(ink[i], cover[i]);
  }
  return ink;
}

function covered(points) {
  const cover = new Float32Array(SIDE * SIDE), reach = RADIUS + SOFT;
  points.forEach(([x, y], at) => {
    const [fromX, fromY] = points[Math.max(0, at - 1)];
    const low = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - reach)), high = (a, b) => Math.min(SIDE - 1, Math.ceil(Math.max(a, b) + reach));
    for (let row = low(y, fromY); row <= high(y, fromY); row++) {
      for (let column = low(x, fromX); column <= high(x, fromX); column++) {
        const far = distance([column + 0.5, row + 0.5], [fromX, fromY], [x, y]);
        const i = row * SIDE + column;
        cover[i] = Math.max(cover[i], Math.min(1, Math.max(0, (RADIUS - far) / SOFT + 0.5)));
      }
    }
  });
  return cover;
}

function distance([x, y], [fromX, fromY], [toX, toY]) {
  const right = toX - fromX, down = toY - fromY, length = right * right + down * down;
  const t = length ? Math.max(0, Math.min(1, ((x - fromX) * right + (y - fromY) * down) / length)) : 0;
  return Math.hypot(x - fromX - t * right, y - fromY - t * down);
}

// What is on the paper as an image in [-1, 1]. Lines alone are made as large as MNIST's digits, their center of mass in the middle;
// what was begun with an image stays where it is.
function centered() {
  const points = paper.strokes.filter((stroke) => !stroke.erases).flatMap((stroke) => stroke.points);
  let ink = inked(paper.base, paper.strokes);
  if (!paper.base && points.length) {
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
    const extent = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    const scale = Math.min(3, (BOX - 2 * RADIUS) / Math.max(extent, 1e-6));
    const middle = [xs, ys].map((all) => SIDE / 2 - (scale * (Math.max(...all) + Math.min(...all))) / 2);
    const first = inked(null, paper.strokes, scale, middle);
    const mass = first.reduce((a, b) => a + b, 0) || 1;
    const center = (axis) => first.reduce((sum, value, i) => sum + value * ((axis ? Math.floor(i / SIDE) : i % SIDE) + 0.5), 0) / mass;
    ink = inked(null, paper.strokes, scale, middle.map((each, axis) => each + Math.round(SIDE / 2 - center(axis))));
  }
  return ink.map((value) => 2 * value - 1);
}

const blank = () => !paper.base && !paper.strokes.some((stroke) => !stroke.erases);

const look = eachFrame(() => {
  showPaper();
  const image = blank() ? null : centered();
  const outputs = image && forward(D, image);
  paint(byId("seen"), image ?? new Float32Array(SIZE).fill(-1));
  showWish(image, image && gradient(D, outputs));
  showBelief("draw", image && last(outputs)[0]);
  showOdds("draw", image);
  byId("seen").setAttribute("aria-label", image ? `What D sees; it finds it real by ${byId("draw-p").textContent}` : "What D sees: nothing yet");
  byId("obey").disabled = !image;
  byId("clear").disabled = blank();
  byId("undo").disabled = !paper.before.length;
});

// The gradient over the faint image, orange where lighter pixels would make it more real to D, blue where darker ones would.
function showWish(image, slope) {
  const data = new ImageData(SIDE, SIDE), most = slope ? slope.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30) : 1;
  for (let i = 0; i < SIDE * SIDE; i++) {
    const gray = image ? 34 * (image[i] + 1) : 0, wish = slope ? slope[i] / most : 0;
    const tint = wish > 0 ? [255, 150, 40] : [60, 150, 255];
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = gray + Math.abs(wish) * (tint[c] - gray);
    data.data[4 * i + 3] = 255;
  }
  byId("wish").getContext("2d").putImageData(data, 0, 0);
  byId("wish").setAttribute("aria-label", image ? "Which pixels D would have lighter, and which darker" : "What D would change: nothing yet");
}

function showPaper() {
  const ctx = paper.shown.getContext("2d"), unit = paper.shown.width / SIDE;
  ctx.fillStyle = "#000";
  ctx.fillRect(0, 0, paper.shown.width, paper.shown.height);
  if (paper.base) {
    const small = document.createElement("canvas");
    paint(small, paper.base);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, 0, 0, paper.shown.width, paper.shown.height);
  }
  ctx.lineCap = ctx.lineJoin = "round";
  ctx.lineWidth = 2 * RADIUS * unit;
  for (const { points, erases } of paper.strokes) {
    ctx.strokeStyle = erases ? "#000" : "#fff";
    ctx.beginPath();
    points.forEach(([x, y]) => ctx.lineTo(x * unit, y * unit));
    if (points.length === 1) ctx.lineTo(points[0][0] * unit, points[0][1] * unit);
    ctx.stroke();
  }
  if (blank() && !paper.keys) {
    ctx.fillStyle = "#9aa3b2";
    ctx.font = `${1.4 * unit}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    ctx.fillText("Draw a digit here", paper.shown.width / 2, paper.shown.height / 2);
  }
  if (paper.keys && document.activeElement === paper.shown) {
    ctx.lineWidth = unit / 4;
    ctx.strokeStyle = paper.down ? "#ff8a4c" : "#6ea8ff";
    ctx.beginPath();
    ctx.arc(paper.pen[0] * unit, paper.pen[1] * unit, RADIUS * unit * 1.3, 0, 2 * Math.PI);
    ctx.stroke();
  }
}

// Changes the paper, so that it can be taken back.
function change(base, strokes) {
  paper.before.push({ base: paper.base, strokes: paper.strokes });
  Object.assign(paper, { base, strokes, down: false });
  look();
}

const begin = (point) => change(paper.base, [...paper.strokes, { points: [point], erases: paper.erases }]);

function goOn(point) {
  paper.strokes.at(-1).points.push(point);
  look();
}

function undo() {
  if (paper.before.length) Object.assign(paper, paper.before.pop(), { down: false });
  look();
}

function drawByPointer() {
  const at = (event) => {
    const box = paper.shown.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  let drawing = null; // the pointer that draws: a second finger does not
  paper.shown.addEventListener("pointerdown", (event) => {
    if (drawing !== null || event.button) return;
    drawing = event.pointerId;
    paper.keys = false;
    paper.shown.setPointerCapture(event.pointerId);
    begin(at(event));
  });
  paper.shown.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    const passed = event.getCoalescedEvents();
    for (const each of passed.length ? passed : [event]) goOn(at(each));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    paper.shown.addEventListener(end, (event) => { if (event.pointerId === drawing) drawing = null; });
  }
}

function drawByKeys() {
  paper.shown.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step && ![" ", "Enter", "Backspace"].includes(event.key)) return;
    event.preventDefault(); // the page does not scroll
    paper.keys = true;
    if (step) {
      paper.pen = paper.pen.map((value, axis) => Math.max(0, Math.min(SIDE, value + step[axis])));
      if (paper.down) goOn(paper.pen);
    } else if (event.key === "Backspace") {
      undo();
    } else if (paper.down) {
      paper.down = false;
    } else {
      begin(paper.pen);
      paper.down = true;
    }
    look();
  });
  for (const each of ["focus", "blur"]) paper.shown.addEventListener(each, look);
}

function choose(erases) {
  paper.erases = erases;
  paper.down = false;
  byId("pen").setAttribute("aria-pressed", String(!erases));
  byId("eraser").setAttribute("aria-pressed", String(erases));
}

// A step up D's logit, on the image that it sees.
function obey() {
  const image = centered(), slope = gradient(D, forward(D, image));
  const most = slope.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  change(image.map((value, i) => Math.max(-1, Math.min(1, value + (0.2 * slope[i]) / most))), []);
}

if (paper.shown) {
  drawByPointer();
  drawByKeys();
  byId("pen").addEventListener("click", () => choose(false));
  byId("eraser").addEventListener("click", () => choose(true));
  byId("undo").addEventListener("click", undo);
  byId("clear").addEventListener("click", () => change(null, []));
  byId("obey").addEventListener("click", obey);
  byId("from-real")?.addEventListener("click", () => change(scaled(reals[Math.floor(random() * reals.length)]), []));
  byId("from-generated").addEventListener("click", () => change(generated(newLatent()), []));
  look();
}
