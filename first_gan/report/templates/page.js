"use strict";
// The page's moving parts: the epoch slider, the latent walk, and the curves. Everything else is there without it.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function scrubEpochs() {
  const slider = byId("epoch");
  if (!slider) return;
  const button = byId("play");
  let timer = null;
  const show = () => {
    const frame = data.frames[slider.value];
    byId("frame").src = frame.source;
    byId("frame").alt = `Generated images ${frame.note}`;
    byId("frame-note").textContent = frame.note;
    slider.setAttribute("aria-valuetext", frame.note);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play the epochs");
  };
  const step = () => {
    if (Number(slider.value) === data.frames.length - 1) return stop();
    slider.value = Number(slider.value) + 1;
    show();
  };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === data.frames.length - 1) slider.value = 0;
    show();
    button.textContent = "⏸";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(step, Math.max(80, 6000 / data.frames.length));
  });
  show();
}

function scrubWalk() {
  const slider = byId("walk-step");
  if (!slider) return;
  const view = byId("walk-view");
  const last = Number(view.dataset.steps) - 1;
  const show = () => {
    view.style.backgroundPositionY = `${last ? (100 * slider.value) / last : 0}%`;
    slider.setAttribute("aria-valuetext", `step ${Number(slider.value) + 1} of ${last + 1}`);
  };
  slider.addEventListener("input", show);
  show();
}

// Dashed lines at epochs that matter, with a word above each where there is room for it.
function drawMarks(plot) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  let free = -Infinity;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 4 * ratio]);
  for (const mark of data.marks) {
    const x = plot.valToPos(mark.x, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const [line, word] = { best: ["good", "good"], fault: ["bad", "bad"] }[mark.kind] ?? ["gray", "soft"];
    ctx.strokeStyle = color(line);
    ctx.fillStyle = color(word);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const width = ctx.measureText(mark.label).width;
    const left = Math.max(bbox.left, Math.min(x - width / 2, bbox.left + bbox.width - width));
    if (left > free) {
      ctx.fillText(mark.label, left, bbox.top - 4 * ratio);
      free = left + width + 6 * ratio;
    }
  }
  ctx.restore();
}

const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((first) => first * 10 ** power));
const digits = (value) => {
  if (value == null) return "–";
  return Math.abs(value) >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
};

// While nothing is hovered, each curve's last value.
function showLast(plot) {
  plot.setLegend({ idxs: plot.data.map((values) => values.findLastIndex((value) => value !== null)) });
}

function options(chart, width) {
  const axis = { stroke: color("soft"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1 } };
  const range = chart.top === null || chart.log ? undefined : (plot, low, high) => [0, Math.max(chart.top, high ?? 0) * 1.02];
  return {
    width,
    height: 230,
    padding: [16, 12, 0, 0],
    cursor: { sync: { key: "curves" }, drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { distr: chart.log ? 3 : 1, ...(range && { range }) } },
    axes: [{ ...axis, label: chart.x_label, labelSize: 18, size: 34, incrs: WHOLE }, { ...axis, size: 56, values: (plot, ticks) => ticks.map((tick) => (tick == null ? "" : digits(tick))) }],
    series: [
      { label: chart.x_label, value: (plot, value) => (value == null ? "–" : value.toLocaleString("en")) },
      ...chart.series.map((each) => ({
        label: each.label,
        stroke: color(each.color),
        width: 1.6,
        dash: each.dashed ? [6, 4] : undefined,
        spanGaps: true,
        points: { show: each.values.filter((value) => value !== null).length < 12 },
        value: (plot, value) => digits(value),
      })),
    ],
    hooks: { draw: [drawMarks], setCursor: [(plot) => plot.cursor.idx == null && showLast(plot)] },
  };
}

function drawCurves() {
  const area = byId("charts");
  for (const chart of data.charts) {
    const place = document.createElement("div");
    const heading = document.createElement("h3");
    const note = document.createElement("p");
    const canvas = document.createElement("div");
    heading.textContent = chart.title;
    note.textContent = chart.note;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", describe(chart));
    place.append(heading, note, canvas);
    area.append(place);
    let plot = null;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot(options(chart, canvas.clientWidth), [chart.x, ...chart.series.map((each) => each.values)], canvas);
      queueMicrotask(() => showLast(plot)); // after its first drawing
    };
    draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    new ResizeObserver(() => {
      if (canvas.clientWidth !== plot.width) plot.setSize({ width: canvas.clientWidth, height: plot.height });
    }).observe(canvas);
  }
}

function describe(chart) {
  const last = (values) => digits(values.findLast((value) => value !== null));
  return `${chart.title}, in the end: ${chart.series.map((each) => `${each.label} ${last(each.values)}`).join(", ")}`;
}

scrubEpochs();
scrubWalk();
drawCurves();
