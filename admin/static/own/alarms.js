// The alarm monitor's signals: sound and a flashing title, both off until somebody wants them.
"use strict";
(() => {
  const panel = document.querySelector("[data-alarm-signals]");
  const monitor = document.getElementById("monitor");
  if (!panel || !monitor) return;
  const link = panel.querySelector("[data-alarm-link]");
  const title = document.title;
  let flashing = 0;

  for (const name of ["sound", "flash"]) {
    const box = panel.querySelector(`[data-alarm-${name}]`);
    box.checked = localStorage.getItem(`alarm-${name}`) === "on";
    box.addEventListener("change", () => {
      localStorage.setItem(`alarm-${name}`, box.checked ? "on" : "off");
      if (name === "sound" && box.checked) beep();
    });
  }
  const wants = (name) => panel.querySelector(`[data-alarm-${name}]`).checked;

  function beep() {
    const context = new AudioContext();
    const tone = context.createOscillator();
    const volume = context.createGain();
    volume.gain.value = 0.2;
    tone.frequency.value = 880;
    tone.connect(volume).connect(context.destination);
    tone.start();
    tone.stop(context.currentTime + 0.4);
    tone.addEventListener("ended", () => context.close());
  }

  function flash() {
    clearInterval(flashing);
    let isOn = false;
    flashing = setInterval(() => {
      isOn = !isOn;
      document.title = isOn ? `⚠ ${title}` : title;
    }, 1000);
  }
  window.addEventListener("focus", () => {
    clearInterval(flashing);
    document.title = title;
  });

  monitor.addEventListener("alarm", () => {
    if (wants("sound")) beep();
    if (wants("flash")) flash();
  });
  const tell = (text) => {
    link.textContent = text;
  };
  monitor.addEventListener("htmx:sse:after:connection", () => tell(panel.dataset.textLive));
  monitor.addEventListener("htmx:sse:error", () => tell(panel.dataset.textAway));
  // htmx may have looked at the page before its extension had come: when both are here, it looks again.
  document.addEventListener("DOMContentLoaded", () => htmx.process(monitor));
})();
