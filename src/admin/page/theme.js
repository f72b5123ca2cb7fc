// Light, dark, or as the system says.

import { at } from "./dom.js";
import { changed } from "./model.js";

const KEY = "tidemill-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };

function set(theme) {
  document.documentElement.dataset.theme = theme;
  const button = at("theme");
  button.textContent = `Theme: ${theme}`;
  button.setAttribute("aria-label", `Theme: ${theme}. Change to ${NEXT[theme]}`);
  version += 1;
  changed();
}

/** Counts the themes there were: charts are painted anew for each. */
export let version = 0;

export function start() {
  const held = localStorage.getItem(KEY);
  set(held in NEXT ? held : "auto");
  at("theme").addEventListener("click", () => {
    const theme = NEXT[document.documentElement.dataset.theme];
    localStorage.setItem(KEY, theme);
    set(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    version += 1;
    changed();
  });
}

/** The colour that the style sheet gives a variable, now. */
export function colour(name) {
  const probe = document.createElement("span");
  probe.className = `colour-${name}`;
  probe.hidden = true;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
