// Tells the server what was chosen, and gives the focus back once the answer is there.
let last = null;
element.addEventListener("change", (event) => {
  const { name, value } = event.target;
  last = { name, value };
  trigger("select", { latent: Number(name.slice("latent-".length)), category: Number(value) });
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-near]");
  if (button) trigger("click", { near: Number(button.dataset.near) });
});
watch("value", () => {
  // What was chosen by hand does not follow the markup by itself.
  for (const input of element.querySelectorAll("input")) input.checked = input.defaultChecked;
  const input = last && element.querySelector(`input[name="${last.name}"]:checked`);
  if (input) input.focus({ preventScroll: true });
  last = null;
});
