// The curves: all over the same epochs, told apart by dashes as well as colors, moved by mouse and keyboard.
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const LAST = Math.max(1e-9, ...data.charts.flatMap((chart) => chart.x));
const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((first) => first * 10 ** power));
// A figure as first_gan/diagnosis/history.py writes it.
const digits = (value) => {
  if (value == null) return "–";
  const size = Math.abs(value);
  if (size >= 1000 && size < 1e6) return Math.round(value).toLocaleString("en");
  return size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
};

// What findings speak of, behind the curves.
function drawFaults(plot, faults) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = ctx.strokeStyle = color("bad");
  ctx.setLineDash([]);
  ctx.lineWidth = devicePixelRatio;
  for (const fault of faults) {
    const [left, right] = [fault.start, fault.end].map((x) => plot.valToPos(x, "x", true));
    ctx.globalAlpha = 0.1;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 1;
    ctx.strokeRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

// Dashed lines at epochs that matter, with a word above each where there is room for it.
function drawMarks(plot) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  let free = -Infinity;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 4 * ratio]);
  for (const mark of data.marks) {
    const x = plot.valToPos(mark.epoch, "x", true);
    const [line, word] = { best: ["good", "good"], fault: ["bad", "bad"] }[mark.kind] ?? ["gray", "soft"];
    ctx.strokeStyle = color(line);
    ctx.fillStyle = color(word);
    vertical(plot, x);
    const width = ctx.measureText(mark.label).width;
    const left = Math.max(bbox.left, Math.min(x - width / 2, bbox.left + bbox.width - width));
    if (left > free) {
      ctx.fillText(mark.label, left, bbox.top - 4 * ratio);
      free = left + width + 6 * ratio;
    }
  }
  ctx.restore();
}

// The epoch of the samples above.
function drawMoment(plot) {
  if (!data.frames.length) return;
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = color("ink");
  ctx.setLineDash([]); // a curve's may be left
  ctx.lineWidth = 1.5 * devicePixelRatio;
  vertical(plot, plot.valToPos(data.epochs[moment.index], "x", true));
  ctx.restore();
}

function vertical({ ctx, bbox }, x) {
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
}

// The edges of the bands around curves that stand for several runs, as uPlot's series: they follow those of the curves.
const edgesOf = (chart) => chart.series.flatMap((each, index) => (each.edges ?? []).map((values) => ({ values, index, color: each.color })));

function options(chart, width, shown, tell) {
  const axis = { stroke: color("soft"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1 } };
  const edges = edgesOf(chart);
  const range = chart.top === null || chart.log ? undefined : (plot, low, high) => [0, Math.max(chart.top, high ?? 0) * 1.02];
  return {
    width,
    height: 230,
    padding: [16, 12, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "curves" }, drag: { x: false, y: false } },
    scales: { x: { time: false, range: [0, LAST] }, y: { distr: chart.log ? 3 : 1, ...(range && { range }) } },
    axes: [{ ...axis, label: "epoch", labelSize: 18, size: 34, incrs: WHOLE }, { ...axis, size: 56, values: (plot, ticks) => ticks.map((tick) => (tick == null ? "" : digits(tick))) }],
    series: [
      {},
      ...chart.series.map((each, index) => ({
        show: shown[index],
        stroke: color(each.color),
        width: 1.8,
        dash: DASHES[each.dash],
        spanGaps: true,
        points: { show: each.values.filter((value) => value !== null).length < 12 },
      })),
      ...edges.map((edge) => ({ show: shown[edge.index], stroke: color(edge.color), width: 0, spanGaps: true, points: { show: false } })),
    ],
    bands: edges.flatMap((edge, at) => {
      const place = chart.series.length + 1 + at; // uPlot counts x as well
      return at % 2 ? [] : [{ series: [place, place + 1], fill: `color-mix(in srgb, ${color(edge.color)} 18%, transparent)` }];
    }),
    hooks: { drawClear: [(plot) => drawFaults(plot, chart.faults)], draw: [drawMarks, drawMoment], setCursor: [tell] },
  };
}

// Buttons that show and hide the curves; returns what writes the epoch and the values beside them.
function legendOf(list, chart, shown, toggle) {
  const at = document.createElement("li");
  at.className = "at";
  list.append(at);
  const values = chart.series.map((each, index) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const value = document.createElement("b");
    button.type = "button";
    button.innerHTML = `<svg aria-hidden="true"><line x1="0" x2="30" y1="5" y2="5" stroke="var(--${each.color})" stroke-width="2.5" stroke-dasharray="${DASHES[each.dash]}"/></svg>`;
    button.append(each.label, " ", value);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      shown[index] = !shown[index];
      button.setAttribute("aria-pressed", shown[index]);
      toggle(index);
    });
    item.append(button);
    list.append(item);
    return value;
  });
  return (epoch, texts) => {
    at.textContent = epoch;
    values.forEach((value, index) => { value.textContent = texts[index]; });
  };
}

function drawChart(chart, number) {
  const place = byId(`plot-${number + 1}`);
  const shown = chart.series.map(() => true);
  let plot = null;
  const edges = edgesOf(chart);
  const write = legendOf(place.nextElementSibling, chart, shown, (index) => {
    plot.setSeries(index + 1, { show: shown[index] });
    edges.forEach((edge, at) => edge.index === index && plot.setSeries(chart.series.length + 1 + at, { show: shown[index] }));
  });
  const rest = () => {
    if (!data.epochs.length) { // of several runs, each one's last
      return write("in the end", chart.series.map((each) => digits(each.values.findLast((value) => value !== null))));
    }
    const epoch = data.epochs[moment.index];
    write(`epoch ${epoch}`, chart.series.map((each) => each.told[moment.index]));
    place.setAttribute("aria-valuenow", epoch);
    place.setAttribute("aria-valuetext", `epoch ${epoch}: ${chart.series.map((each) => `${each.label} ${each.told[moment.index]}`).join(", ")}`);
  };
  const tell = (hovered) => {
    const { left, idxs } = hovered.cursor;
    if (left == null || left < 0) return rest();
    const x = hovered.posToVal(left, "x");
    write(`epoch ${x.toFixed(LAST < 20 ? 1 : 0)}`, chart.series.map((each, index) => digits(each.values[idxs?.[index + 1]])));
  };
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(options(chart, place.clientWidth, shown, tell), [chart.x, ...[...chart.series, ...edges].map((each) => each.values)], place);
    plot.over.addEventListener("mousemove", (event) => data.frames.length && showEpoch(nearestEpoch(plot.posToVal(event.offsetX, "x"))));
  };
  const keys = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5, Home: -Infinity, End: Infinity };
  place.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    showEpoch(moment.index + keys[event.key]);
  });
  place.setAttribute("aria-valuemin", 0);
  place.setAttribute("aria-valuemax", LAST);
  moment.followers.push(() => {
    plot.redraw(false, false);
    if (!(plot.cursor.left >= 0)) rest();
  });
  draw();
  rest();
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
  new ResizeObserver(() => {
    if (place.clientWidth && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: plot.height });
  }).observe(place);
}

data.charts.forEach(drawChart);
