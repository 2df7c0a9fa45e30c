// Light or dark, before anything is shown. Without a choice of the reader it is as the system has it.
"use strict";

const theme = {
  key: "fyke-theme",
  // A page that was opened as a file may have no storage.
  stored() {
    try { return localStorage.getItem(this.key); } catch { return null; }
  },
  store(name) {
    try { localStorage.setItem(this.key, name); } catch { /* the choice lasts as long as the page */ }
  },
  isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
  set(name) {
    document.documentElement.dataset.theme = name;
  },
};

document.documentElement.classList.add("js");
if (["light", "dark"].includes(theme.stored())) theme.set(theme.stored());

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById(":theme").addEventListener("click", () => {
    const name = theme.isDark() ? "light" : "dark";
    theme.set(name);
    theme.store(name);
  });
});
