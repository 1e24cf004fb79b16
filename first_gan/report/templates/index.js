"use strict";
// Sorting by any column and filtering by words; all rows are there without it.
const body = document.querySelector("tbody");
const rows = [...body.rows];
const heads = [...document.querySelectorAll("thead th")];
const order = new Intl.Collator("en", { numeric: true });

// Negative where the first comes first; numbers before words, and what is missing last whichever way.
function compare(one, other, descending) {
  if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
  const [first, second] = [Number(one), Number(other)];
  const numbers = [first, second].filter((value) => !Number.isNaN(value)).length;
  if (numbers === 1) return Number.isNaN(first) ? 1 : -1;
  const ascending = numbers === 2 ? first - second : order.compare(one, other);
  return descending ? -ascending : ascending;
}

function sortBy(column) {
  const head = heads[column];
  const before = head.getAttribute("aria-sort");
  const direction = before === null ? head.dataset.first : before === "ascending" ? "descending" : "ascending";
  for (const each of heads) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const key = (row) => row.cells[column].dataset.key;
  rows.sort((one, other) => compare(key(one), key(other), direction === "descending"));
  body.append(...rows);
}

function filter() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/);
  for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  document.getElementById("count").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
}

heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sortBy(column)));
document.getElementById("filter").addEventListener("input", filter);
filter(); // a browser that goes back keeps what was typed
