"use strict";
// The page's moving parts: the epoch that samples and curves show together, the latent walk, copying, and loading itself
// again while the run goes on. Everything else is there without it.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// The epoch that is shown everywhere, as its place among `data.epochs`.
const moment = { index: data.epochs.length - 1, followers: [] };

function showEpoch(index) {
  const within = Math.max(0, Math.min(data.epochs.length - 1, index));
  if (within === moment.index) return;
  moment.index = within;
  for (const follow of moment.followers) follow();
}

const nearestEpoch = (x) => {
  const far = data.epochs.map((epoch) => Math.abs(epoch - x));
  return far.indexOf(Math.min(...far));
};

// A button that steps a slider on until its end, and again from its beginning.
function player(button, slider, interval, restart) {
  const name = button.getAttribute("aria-label");
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
    button.setAttribute("aria-label", name);
  };
  const go = (value) => {
    slider.value = value;
    slider.dispatchEvent(new CustomEvent("step"));
  };
  const step = () => {
    if (Number(slider.value) < Number(slider.max)) go(Number(slider.value) + 1);
    else if (restart) go(0);
    else stop();
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (slider.value === slider.max) go(0);
    button.textContent = "⏸";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(step, interval);
  });
  slider.addEventListener("input", stop);
  return { stop, plays: () => timer !== null };
}

const players = [];

function scrubEpochs() {
  const slider = byId("epoch");
  if (!slider) return;
  const own = player(byId("play"), slider, Math.max(80, 6000 / data.frames.length), false);
  players.push(own);
  const show = () => {
    const frame = data.frames[moment.index];
    byId("frame").src = frame.source;
    byId("frame").alt = `Generated images ${frame.note}`;
    byId("frame-note").textContent = frame.note;
    slider.setAttribute("aria-valuetext", frame.note);
    if (Number(slider.value) !== moment.index) {
      own.stop(); // the curves lead
      slider.value = moment.index;
    }
  };
  for (const kind of ["input", "step"]) slider.addEventListener(kind, () => showEpoch(Number(slider.value)));
  moment.followers.push(show);
  slider.value = moment.index; // a browser may have kept another over a reload
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
  players.push(player(byId("walk-play"), slider, 120, true));
  for (const kind of ["input", "step"]) slider.addEventListener(kind, show);
  show();
}

function copyCommands() {
  for (const button of document.querySelectorAll(".copy")) {
    const source = byId(button.dataset.from);
    const copied = async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        return true;
      } catch { // not on this page, says the browser; an older way may be open
        getSelection().selectAllChildren(source);
        return document.execCommand("copy");
      }
    };
    button.addEventListener("click", async () => {
      button.textContent = (await copied()) ? "Copied" : "Ctrl+C"; // the line is selected
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}

// While the run goes on the page loads itself again, where it was. A run that was killed writes no other page: it is given up.
function followRun() {
  const key = `place ${location.pathname}`;
  const kept = (() => {
    try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
  })();
  try { sessionStorage.removeItem(key); } catch { /* a browser that keeps nothing */ }
  if (kept) {
    if (kept.epoch !== null) showEpoch(nearestEpoch(kept.epoch));
    if (byId("walk-step")) byId("walk-step").value = kept.step;
    const details = document.querySelectorAll("details");
    kept.open.forEach((open, index) => { if (details[index]) details[index].open = open; });
    byId(kept.focus)?.focus({ preventScroll: true });
    if (byId(kept.section)) scrollBy({ top: byId(kept.section).getBoundingClientRect().top - kept.top, behavior: "instant" });
  }
  if (!data.live) return;
  const again = setInterval(() => {
    const reads = getSelection().type === "Range" || document.activeElement?.matches("dfn");
    if (Date.now() - data.live.written > 1000 * (600 + 20 * data.live.seconds)) {
      byId("live").textContent = "Nothing was heard of the run for long: it may have been killed.";
      return clearInterval(again);
    }
    if (document.hidden || reads || players.some((each) => each.plays())) return;
    const last = moment.index === data.epochs.length - 1;
    const read = [...document.querySelectorAll("section[id]")].findLast((each) => each.getBoundingClientRect().top <= innerHeight / 3);
    const place = {
      section: read?.id, // what stands above it may grow
      top: read?.getBoundingClientRect().top,
      epoch: last ? null : data.epochs[moment.index], // who looks at the newest wants to see the newest
      step: byId("walk-step")?.value ?? 0,
      open: [...document.querySelectorAll("details")].map((each) => each.open),
      focus: document.activeElement?.id ?? "",
    };
    try { sessionStorage.setItem(key, JSON.stringify(place)); } catch { /* likewise */ }
    location.reload();
  }, 15_000);
}

// On paper nothing can be opened.
function openForPrint() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".question details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });
}

scrubEpochs();
scrubWalk();
copyCommands();
openForPrint();
addEventListener("load", followRun); // when the curves have their place
