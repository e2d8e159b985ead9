// The agent's screen: a call that comes opens the caller's page, if the agent wants that.
"use strict";
(() => {
  const monitor = document.getElementById("call-monitor");
  const box = document.querySelector("[data-call-open]");
  if (!monitor || !box) return;
  box.checked = localStorage.getItem("call-open") === "on";
  box.addEventListener("change", () => localStorage.setItem("call-open", box.checked ? "on" : "off"));
  monitor.addEventListener("call", () => {
    const link = monitor.querySelector("[data-call-link]");
    if (box.checked && link) window.location.assign(link.getAttribute("href"));
  });
  // htmx may have looked at the page before its extension had come: when both are here, it looks again.
  document.addEventListener("DOMContentLoaded", () => htmx.process(monitor));
})();
