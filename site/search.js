// The search: looks through FYKE_INDEX (index.js), rows of [title, kind, address, summary, further words].
// `/` goes to the box, the arrows choose, Enter goes there, Escape leaves. `#q=WORDS` behind the address of any page searches at once.
"use strict";

const MOST = 30;
const box = document.getElementById(":search");
const list = document.getElementById(":results");
const status_ = document.getElementById(":status");
let chosen = -1;

// How well a row answers one word; 0 for not at all.
function answers(row, word) {
  const [title, kind, , summary, more] = row.lower;
  const name = title.split(/::|[./:]/).pop();
  if (title === word || name === word) return 100;
  if (name.startsWith(word)) return 60;
  if (title.startsWith(word)) return 50;
  if (title.includes(word)) return 30;
  if (kind.includes(word)) return 15;
  if (more.split(/[^a-z0-9_-]+/).includes(word)) return 12;
  if (summary.split(/[^a-z0-9_-]+/).some((part) => part.startsWith(word))) return 10;
  if (summary.includes(word) || more.includes(word)) return 4;
  return 0;
}

// All words must be answered; what is found by fewer letters comes first among equals.
function find(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const found = [];
  for (const row of FYKE_INDEX) {
    row.lower ??= row.map((text) => text.toLowerCase());
    let score = 0;
    for (const word of words) {
      const one = answers(row, word);
      if (one === 0) { score = 0; break; }
      score += one;
    }
    if (score > 0) found.push({ row, score });
  }
  found.sort((a, b) => b.score - a.score || a.row[0].length - b.row[0].length || (a.row[0] < b.row[0] ? -1 : 1));
  return found.map(({ row }) => row);
}

// Only text goes into the page, never HTML.
function entry([title, kind, address, summary], at) {
  const item = document.createElement("li");
  item.id = `:result-${at}`;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  const link = document.createElement("a");
  link.href = address;
  link.tabIndex = -1;
  for (const [tag, text] of [["b", title], ["span", kind], ["small", summary]]) {
    const part = document.createElement(tag);
    part.textContent = text;
    link.append(part);
  }
  item.append(link);
  return item;
}

function show(query) {
  const found = find(query);
  list.replaceChildren(...found.slice(0, MOST).map(entry));
  if (query.trim() && found.length === 0) {
    const none = document.createElement("li");
    none.className = "none";
    none.textContent = "Nothing has these words.";
    list.append(none);
  }
  list.hidden = query.trim() === "";
  box.setAttribute("aria-expanded", String(!list.hidden));
  status_.textContent = list.hidden ? "" : `${found.length} found`;
  choose(found.length > 0 ? 0 : -1);
}

function choose(at) {
  const items = list.querySelectorAll("[role=option]");
  chosen = items.length ? (at + items.length) % items.length : -1;
  items.forEach((item, number) => item.setAttribute("aria-selected", String(number === chosen)));
  if (chosen < 0) return box.removeAttribute("aria-activedescendant");
  box.setAttribute("aria-activedescendant", items[chosen].id);
  items[chosen].scrollIntoView({ block: "nearest" });
}

function close() {
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

box.addEventListener("input", () => show(box.value));
box.addEventListener("focus", () => { if (box.value) show(box.value); });
box.addEventListener("keydown", (event) => {
  const keys = {
    ArrowDown: () => choose(chosen + 1),
    ArrowUp: () => choose(chosen - 1),
    Enter: () => list.querySelector("[aria-selected=true] a")?.click(),
    Escape: () => { close(); box.blur(); },
  };
  // While an input method is at work, the keys are its own.
  if (!keys[event.key] || event.isComposing || (list.hidden && event.key !== "Escape")) return;
  event.preventDefault();
  keys[event.key]();
});
// What was found may be on this very page.
list.addEventListener("click", () => { close(); box.blur(); });
document.addEventListener("click", (event) => { if (!event.target.closest(".search")) close(); });
document.addEventListener("focusin", (event) => { if (!event.target.closest(".search")) close(); });
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  box.focus();
  box.select();
});

function asked() {
  if (!location.hash.startsWith("#q=")) return;
  try { box.value = decodeURIComponent(location.hash.slice(3)); } catch { return; }
  box.focus();
  show(box.value);
}
addEventListener("hashchange", asked);
asked();
