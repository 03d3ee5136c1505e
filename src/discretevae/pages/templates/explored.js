// Tells the server what was chosen, and gives the focus back once the answer is there.
let last = null;
element.addEventListener("change", (event) => {
  const { name, value } = event.target;
  last = `input[name="${name}"]:checked`;
  trigger("select", { latent: Number(name.slice("latent-".length)), category: Number(value) });
});
element.addEventListener("click", (event) => {
  const near = event.target.closest("[data-near]");
  if (near) trigger("click", { near: Number(near.dataset.near) });
  const way = event.target.closest("[data-way]");
  if (way) {
    last = `[data-way="${way.dataset.way}"]`;
    trigger("click", { way: Number(way.dataset.way) });
  }
  const cell = event.target.closest("[data-latent]");
  if (!cell) return;
  last = `[data-latent="${cell.dataset.latent}"]`;
  trigger("click", { latent: Number(cell.dataset.latent) });
});
element.addEventListener("keydown", (event) => {
  // Arrows go from cell to cell of a grid.
  const grid = event.target.closest(".cells");
  if (!grid) return;
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const cells = [...grid.children];
  const next = by && cells[cells.indexOf(event.target) + by];
  if (!next) return;
  event.preventDefault();
  next.focus();
});
watch("value", () => {
  // What was chosen by hand does not follow the markup by itself.
  for (const input of element.querySelectorAll("input")) input.checked = input.defaultChecked;
  const input = last && element.querySelector(last);
  if (input) input.focus({ preventScroll: true });
  last = null;
});
