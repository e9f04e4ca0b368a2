const settings = {
  order: [],
  layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: "paging" },
  language: { search: "Filter:", info: "_TOTAL_ rows", infoFiltered: "of _MAX_", infoEmpty: "no row", zeroRecords: "no row fits the filter" },
  autoWidth: false,
  keys: { columns: ":not(:first-child)" },
};

function explain(table, cell) {
  const line = table.closest(".task")?.querySelector(".explain");
  const heading = cell && table.querySelectorAll("thead th")[cell.cellIndex];
  if (!heading || cell.tagName !== "TD") return;
  cell.dataset.own ??= cell.title;
  const system = cell.parentElement.querySelector("th").innerText.replace("★", "").trim();
  const meaning = heading.title ? `${heading.innerText.trim()}: ${heading.title}` : heading.innerText.trim();
  const behind = [cell.dataset.own, table.dataset.judge].filter(Boolean).join("; ");
  cell.title = [`${system} ${cell.innerText.trim()}`, meaning, behind, table.dataset.about].filter(Boolean).join("\n");
  if (line) line.textContent = [`${system} ${cell.innerText.trim()}`, meaning, behind].filter(Boolean).join(" · ");
}

for (const table of document.querySelectorAll("table.board")) {
  const rows = table.tBodies[0].rows.length;
  const numbers = [...table.querySelectorAll("thead th")].flatMap((heading, place) => heading.classList.contains("number") ? [place] : []);
  const grid = new DataTable(table, { ...settings, paging: rows > 25, pageLength: 25, columnDefs: [{ targets: numbers, className: "number" }] });
  grid.on("key-focus", (_event, _grid, cell) => explain(table, cell.node()));
  table.addEventListener("mouseover", (event) => explain(table, event.target.closest("td")));
}

let contents;

async function unpack() {
  const packed = document.getElementById("packed").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function draw(entries, observer) {
  for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
    observer.unobserve(target);
    contents ??= unpack();
    target.innerHTML = (await contents).plots[target.dataset.plot];
  }
}

const nearby = new IntersectionObserver(draw, { rootMargin: "600px" });
for (const place of document.querySelectorAll("[data-plot]")) nearby.observe(place);

async function fill(details) {
  if (!details.open || details.children.length > 1) return;
  const name = details.dataset.cell;
  const link = Object.assign(document.createElement("a"), { href: `manifests/${encodeURIComponent(name)}.json`, textContent: "manifest as a file" });
  const shown = Object.assign(document.createElement("pre"), { tabIndex: 0 });
  details.append(link, shown);
  contents ??= unpack();
  shown.textContent = JSON.stringify((await contents).manifests[name], null, 2);
}

for (const details of document.querySelectorAll("details[data-cell]")) {
  details.addEventListener("toggle", () => fill(details));
}

function open_named() {
  const details = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (details?.tagName !== "DETAILS") return;
  details.open = true;
  details.querySelector("summary").focus({ preventScroll: true });
  details.scrollIntoView({ block: "start" });
}

addEventListener("hashchange", open_named);
open_named();
