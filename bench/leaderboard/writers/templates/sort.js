// Tables are complete without this script; with it, a click on a header sorts by its column.

function key(row, place) {
  const cell = row.cells[place];
  if (!cell || cell.colSpan > 1) return null;
  const text = cell.dataset.order ?? cell.textContent.trim();
  const number = parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(number) ? text : number;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one === typeof other) return String(one).localeCompare(String(other));
  return typeof one === "number" ? -1 : 1;
}

function sort(table, heading, place) {
  const first = heading.classList.contains("text") ? "ascending" : "descending";
  const second = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? second : first;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  const turn = order === "descending" ? -1 : 1;
  const keyed = [...table.tBodies[0].rows].map((row) => [key(row, place), row]);
  const absent = ([value]) => value === null || value === "–";
  keyed.sort((one, other) => absent(one) - absent(other) || (absent(one) ? 0 : turn * compare(one[0], other[0])));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.board")) {
  [...table.tHead.rows[0].cells].forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading, place));
    heading.append(button);
  });
}
