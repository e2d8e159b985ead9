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

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-toggle-theme]")) {
      localStorage.setItem("theme", root.dataset.bsTheme === "dark" ? "light" : "dark");
      apply();
    }
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
