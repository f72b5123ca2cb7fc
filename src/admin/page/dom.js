// Makes and updates elements. Only ever text, never markup: names and errors come from outside.

const SVG = "http://www.w3.org/2000/svg";

export const at = (id) => document.getElementById(id);

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** An HTML element with attributes, listeners (`onclick`) and children. */
export const h = (tag, properties = {}, ...children) =>
  fill(document.createElement(tag), properties, children);

/** An SVG element. */
export const svg = (tag, properties = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), properties, children);

/** Sets an element's text, if it is another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts `node` in place of what `parent` holds, unless it says the same: what has the focus keeps it. */
export function put(parent, ...nodes) {
  const made = h("div", {}, ...nodes);
  if (parent.innerHTML !== made.innerHTML) parent.replaceChildren(...made.childNodes);
}

/** Keeps one child of `parent` for each item, by key and in order: `make` makes it, `update` brings it up to date. */
export function keyed(parent, items, key, make, update) {
  const held = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = held.get(name);
    held.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    update(child, item);
    if (child === before) before = before.nextElementSibling;
    else parent.insertBefore(child, before);
  }
  for (const child of held.values()) child.remove();
}

/** A table with a caption for those who don't see it; columns are names, or pairs of name and class. */
export function table(caption, columns, className = "") {
  const body = h("tbody");
  const heads = columns.map((column) => {
    const [name, kind] = [].concat(column);
    return h("th", { scope: "col", class: kind }, name);
  });
  const element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: className },
      h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, heads)), body));
  return { element, body };
}

/** A list of names and what they are; pairs without a value are left out. */
export const facts = (pairs) => h("dl", {},
  pairs.filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

/** A word with a colour: `good`, `warn`, `bad` or none. */
export const pill = (text, kind = "") => h("span", { class: `pill ${kind}` }, text);
