"use strict";
// What a reader chooses among decoded codes. Every element is made here: no text becomes markup.
(async () => {
  const app = document.querySelector(".explorer");
  const data = JSON.parse(app.nextElementSibling.textContent);
  const latents = data.latents, K = data.categories, L = latents.length;
  let base = 0, code = [...data.bases[0].code], touched = 0;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element[name] = value;
    element.append(...children);
    return element;
  };

  const open = async (sheet) => {
    if (data.header || !sheet) return sheet;
    const image = new Image();
    image.src = sheet.source;
    await image.decode();
    return { ...sheet, image };
  };
  const decoded = await open(data.decoded), inputs = await open(data.inputs);

  // The number, among all that is decoded, of the code with latent i set to category k.
  const numberOf = (i, k) => {
    if (!data.every) return (base * L + i) * K + k;
    return code.reduce((number, own, j) => number * K + (j === i ? k : own), 0);
  };
  const now = () => numberOf(touched, code[touched]);
  const own = () => {
    if (!data.every) return numberOf(0, data.bases[base].code[0]);
    return data.bases[base].code.reduce((number, k) => number * K + k, 0);
  };
  const isChanged = () => code.some((k, i) => k !== data.bases[base].code[i]);

  const canvas = (sheet) => make("canvas", { width: sheet.width, height: sheet.height });
  const draw = (place, sheet, number, label) => {
    const { width, height, columns, image } = sheet;
    const x = (number % columns) * width, y = Math.floor(number / columns) * height;
    place.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
    if (label) place.role = "img", place.ariaLabel = label;
  };

  const choice = (name, value, label, onchange, picture) => {
    const input = make("input", { type: "radio", name, value, onchange, ariaLabel: label });
    const text = picture && name === "base" ? [] : [make("span", { ariaHidden: "true" }, String(value))];
    const element = make("label", { className: "choice" + (picture ? "" : " words"), title: label });
    element.append(input, ...(picture ? [picture] : []), ...text);
    return element;
  };

  const start = (number) => {
    base = number;
    code = [...data.bases[base].code];
    touched = 0;
    show();
  };
  const set = (i, k) => {
    if (!data.every) code = [...data.bases[base].code];
    code[i] = k;
    touched = i;
    show();
  };

  // Codes to start from: examples, and samples one after the other.
  const examples = data.bases.map((_, b) => b).filter((b) => data.bases[b].input !== null);
  const samples = data.bases.map((_, b) => b).filter((b) => data.bases[b].input === null);
  const starts = make("div", { className: "choices" });
  for (const b of examples) {
    const picture = data.header ? null : canvas(inputs);
    if (picture) draw(picture, inputs, data.bases[b].input);
    const element = choice("base", data.header ? data.bases[b].input + 1 : b, data.bases[b].name, () => start(b), picture);
    starts.append(element);
  }
  const next = make("button", { type: "button", textContent: "Sample from the prior" });
  next.onclick = () => start(samples[(samples.indexOf(base) + 1) % samples.length]);
  const back = make("button", { type: "button", textContent: "Take changes back" });
  back.onclick = () => start(base);
  const bases = make("fieldset", { className: "bases", hidden: !examples.length }, make("legend", {}, "Start from an example"), starts);

  // What is decoded now, beside the example and what its own code gives.
  const said = make("output", { ariaLive: "polite" });
  const acts = make("div", { className: "act" }, back, ...(samples.length ? [next] : []));
  const stage = make("div", { className: "stage" + (data.header ? " wide" : "") });
  const board = make("div", { className: "board" + (data.header ? " wide" : "") });
  let showStage;
  if (data.header) {
    const table = make("table", { className: "says" }), list = make("table", { className: "says" });
    const title = make("h3");
    const row = (name, cells, className = "") =>
      make("tr", { className }, make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text)));
    const head = (name) =>
      make("tr", {}, make("th", { scope: "col" }, name), ...data.header.map((text) => make("th", { scope: "col" }, text)));
    showStage = () => {
      const { input } = data.bases[base];
      table.replaceChildren(make("thead", {}, head("")), make("tbody", {},
        ...(input === null ? [] : [row("example", inputs[input])]),
        row("from its code", decoded[own()]),
        row("now", decoded[now()], "current")));
      title.textContent = `What each category of latent ${latents[touched]} gives`;
      list.replaceChildren(make("thead", {}, head("category")), make("tbody", {},
        ...Array.from({ length: K }, (_, k) => row(String(k), decoded[numberOf(touched, k)], k === code[touched] ? "current" : ""))));
    };
    stage.append(make("div", { className: "scroll", tabIndex: 0 }, table), said, acts);
    app.append(bases, stage, board, make("div", { className: "board wide plain" }, title, make("div", { className: "scroll", tabIndex: 0 }, list)));
  } else {
    const large = canvas(decoded), before = canvas(decoded), given = canvas(inputs || decoded);
    const figure = (picture, text) => make("figure", {}, picture, make("figcaption", {}, text));
    const example = figure(given, "example"), reconstruction = figure(before, "from its own code");
    showStage = () => {
      const { input, name } = data.bases[base];
      draw(large, decoded, now(), "decoded from the code as changed");
      draw(before, decoded, own(), "decoded from the code to start from");
      example.hidden = input === null;
      if (input !== null) draw(given, inputs, input, name);
    };
    const strip = decoded.height === 1 ? " strip" : "";
    app.className += strip;
    stage.append(make("div", { className: "now" }, large), make("div", { className: "beside" }, example, reconstruction), said, acts);
    app.append(bases, stage, board);
  }

  const choices = latents.map((latent, i) => {
    const row = make("div", { className: "choices" });
    const found = Array.from({ length: K }, (_, k) => {
      const picture = data.header ? null : canvas(decoded);
      const label = `latent ${latent}, category ${k}`;
      row.append(choice(`latent-${latent}`, k, label, () => set(i, k), picture));
      return { picture, input: row.lastChild.firstChild };
    });
    board.append(make("fieldset", {}, make("legend", {}, `latent ${latent}`), row));
    return found;
  });

  const show = () => {
    showStage();
    choices.forEach((row, i) => row.forEach(({ picture, input }, k) => {
      input.checked = code[i] === k;
      if (picture) draw(picture, decoded, numberOf(i, k));
    }));
    starts.querySelectorAll("input").forEach((input, j) => (input.checked = examples[j] === base));
    back.disabled = !isChanged();
    const { name, code: before } = data.bases[base];
    const changed = code.flatMap((k, i) => (k === before[i] ? [] : [`latent ${latents[i]} from ${before[i]} to ${k}`]));
    said.textContent = `Code of ${name}: ${code.join(" ")}` + (changed.length ? `; changed: ${changed.join(", ")}.` : ".");
  };
  show();
  app.hidden = false;
})();
