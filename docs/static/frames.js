"use strict";
// Figures in frames get the page's colours and their own height; what scrolls sideways can be reached by keyboard.
addEventListener("DOMContentLoaded", () => {
  const frames = [...document.querySelectorAll("iframe.figure")];
  const theme = () => document.body.dataset.theme || "auto";
  const tell = (frame) => frame.contentWindow.postMessage({ theme: theme() }, "*");
  for (const frame of frames) frame.addEventListener("load", () => tell(frame));
  new MutationObserver(() => frames.forEach(tell)).observe(document.body, { attributeFilter: ["data-theme"] });
  addEventListener("message", (event) => {
    const frame = frames.find((one) => one.contentWindow === event.source);
    if (!frame || !event.data || !event.data.height) return;
    frame.style.height = `${Math.ceil(event.data.height)}px`;
    tell(frame);
  });
  const reachable = () => {
    for (const box of document.querySelectorAll(".table-wrapper, pre, .formula")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = "2";
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  reachable();
  addEventListener("resize", reachable);
});
