// Tells the server which latent was chosen, and gives the focus back once the answer is there.
let last = null;
function choose(button) {
  last = button.dataset.latent;
  trigger("select", { latent: Number(last) });
}
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-latent]");
  if (button) choose(button);
});
element.addEventListener("keydown", (event) => {
  // Arrows go up and down the list.
  const list = event.target.closest(".list");
  if (!list) return;
  const all = [...list.children];
  const at = all.indexOf(event.target.closest("[data-latent]"));
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || !all[to]) return;
  event.preventDefault();
  all[to].focus();
  choose(all[to]);
});
watch("value", () => {
  const list = element.querySelector(".list");
  const shown = list.querySelector("[aria-pressed=true]");
  list.scrollTop = shown.offsetTop - (list.clientHeight - shown.offsetHeight) / 2;
  const wanted = last && list.querySelector(`[data-latent="${last}"]`);
  if (wanted) wanted.focus({ preventScroll: true });
  if (last === shown.dataset.latent) last = null; // else a later answer is on its way
});
