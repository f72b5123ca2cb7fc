// The token, where the address asks for one: asked for once, kept until the tab is closed.

import { at, say } from "./dom.js";

const KEY = "tidemill-token";
let asking;

/** The header that shows the token, if there is one. */
export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Asks for the token; all who ask at once wait for the same answer. */
export function ask() {
  asking ??= new Promise((answered) => {
    const [dialog, field] = [at("token"), at("token-value")];
    if (sessionStorage.getItem(KEY)) say(at("token-why"), "That token isn't the right one.");
    sessionStorage.removeItem(KEY);
    field.value = "";
    // Without its token there is nothing behind it.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").addEventListener("submit", () => {
      sessionStorage.setItem(KEY, field.value.trim());
      field.value = "";
      asking = undefined;
      answered();
    }, { once: true });
    dialog.showModal();
    field.focus();
  });
  return asking;
}
