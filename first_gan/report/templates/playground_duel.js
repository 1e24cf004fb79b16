"use strict";
// You against D: which images of a sheet are real?
const TILES_OF_SHEET = 20;
const duel = { tiles: [], total: { you: 0, d: 0, of: 0 } };

function shuffled(items) {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [mixed[i], mixed[other]] = [mixed[other], mixed[i]];
  }
  return mixed;
}

// Each image is real or generated with equal probability, so that their number tells nothing. D sees the pixels that are shown.
function newSheet() {
  const real = shuffled(reals);
  duel.tiles = Array.from({ length: TILES_OF_SHEET }, () => {
    const isReal = real.length > 0 && random() < 0.5;
    const pixels = isReal ? real.pop() : toPixels(generated(newLatent()));
    return { isReal, pixels, p: realness(scaled(pixels)), marked: false };
  });
  byId("sheet").replaceChildren(...duel.tiles.map(button));
  byId("reveal").disabled = false;
  byId("score").textContent = "";
}

function button(tile, number) {
  const place = document.createElement("button"), canvas = document.createElement("canvas"), note = document.createElement("small");
  canvas.className = "pixels";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Image ${number + 1}`);
  note.textContent = " ";
  paintPixels(canvas, tile.pixels);
  place.append(canvas, note);
  place.setAttribute("aria-pressed", "false");
  place.addEventListener("click", () => {
    if (byId("reveal").disabled) return; // the answers are on the table
    tile.marked = !tile.marked;
    place.setAttribute("aria-pressed", String(tile.marked));
    note.textContent = tile.marked ? "real?" : " ";
  });
  return place;
}

function reveal() {
  byId("reveal").disabled = true;
  duel.tiles.forEach((tile, number) => {
    const place = byId("sheet").children[number], right = tile.marked === tile.isReal;
    place.classList.add(right ? "right" : "wrong");
    place.querySelector("small").innerText = `${right ? "✓" : "✗"} ${tile.isReal ? "real" : "G's"}\nD: ${percent(tile.p)}`;
    place.querySelector("canvas").setAttribute("aria-label", `Image ${number + 1}, ${tile.isReal ? "real" : "generated"}`);
  });
  const you = duel.tiles.filter((tile) => tile.marked === tile.isReal).length;
  const d = duel.tiles.filter((tile) => tile.p > 0.5 === tile.isReal).length;
  duel.total = { you: duel.total.you + you, d: duel.total.d + d, of: duel.total.of + TILES_OF_SHEET };
  const { total } = duel, inAll = total.of > TILES_OF_SHEET ? ` In all: you ${total.you}, D ${total.d} of ${total.of}.` : "";
  const won = you === d ? "A draw." : you > d ? "You win." : "D wins.";
  byId("score").textContent = `${won} You were right ${you} times of ${TILES_OF_SHEET}, D ${d} times; guessing is right half the time.${inAll}`;
}

if (byId("sheet")) {
  byId("reveal").addEventListener("click", reveal);
  byId("another").addEventListener("click", newSheet);
  newSheet();
}
