// Theme and keyboard; everything else is htmx.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    root.dataset.bsTheme = chosen || (dark.matches ? "dark" : "light");
  };
  apply();
  dark.addEventListener("change", apply);

  // Paper is light.
  window.addEventListener("beforeprint", () => { root.dataset.bsTheme = "light"; });
  window.addEventListener("afterprint", apply);

  // On a narrow screen the menu is folded; without scripts it is open.
  const fold = (isOpen) => {
    root.dataset.menu = isOpen ? "open" : "folded";
    document.querySelector("[data-toggle-menu]")?.setAttribute("aria-expanded", String(isOpen));
  };
  fold(false);
  document.addEventListener("DOMContentLoaded", () => {
    fold(false);
    // Groups of the menu stay as they were left, in this window; the one that has the page is unfolded.
    const menu = document.getElementById("menu");
    menu?.querySelectorAll("details").forEach((group) => {
      const key = `menu-${group.dataset.group}`;
      const left = sessionStorage.getItem(key);
      if (left && !group.querySelector("[aria-current]")) group.open = left === "open";
      group.querySelector("summary").addEventListener("click", () => {
        sessionStorage.setItem(key, group.open ? "folded" : "open");  // it has not changed yet
      });
    });
    // The menu may be longer than a screen: where one is stays in sight.
    const here = menu?.querySelector("[aria-current]");
    if (here && here.offsetTop > menu.clientHeight) menu.scrollTop = here.offsetTop - menu.clientHeight / 2;
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-toggle-theme]")) {
      localStorage.setItem("theme", root.dataset.bsTheme === "dark" ? "light" : "dark");
      apply();
    }
    if (event.target.closest("[data-toggle-menu]")) fold(root.dataset.menu !== "open");
    if (event.target.closest("[data-print]")) window.print();
  });

  // "/" goes to the search field, from anywhere but a field.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const field = document.querySelector("[data-search]");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (document.querySelector('a[href="/cards"]')) {
      event.preventDefault();
      window.location.assign("/cards");
    }
  });
})();
