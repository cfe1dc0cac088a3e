// Small pieces of the page: elements, icons, sentences. Texts come in through text nodes only, values isolated in <bdi>.
import { WORDS, safe, shownIn } from "./tables.js";
import PAGE from "./page_words.json";

const SVG = "http://www.w3.org/2000/svg";
const SEAL =
  "M24 2.5c3.2 0 4.6 2.7 7.3 3.8s5.8.2 8 2.4 1.3 5.3 2.4 8 3.8 4.1 3.8 7.3-2.7 4.6-3.8 7.3-.2 5.8-2.4 8-5.3 1.3-8 2.4-4.1 " +
  "3.8-7.3 3.8-4.6-2.7-7.3-3.8-5.8-.2-8-2.4-1.3-5.3-2.4-8S2.5 27.2 2.5 24s2.7-4.6 3.8-7.3.2-5.8 2.4-8 5.3-1.3 8-2.4S20.8 2.5 24 2.5z";
const ICONS = {
  PASS: "M5 13l5 5L20 7",
  FAIL: "M6 6l12 12M18 6L6 18",
  "NOT PROVEN": "M8.5 9a3.5 3.5 0 1 1 5.2 3.1c-1.1.6-1.7 1.2-1.7 2.4M12 18.5v.1",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
};

/** An element: its name, attributes (functions are listeners), and what stands in it (texts or elements). */
export function element(name, attributes = {}, ...inner) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (typeof value === "boolean") made.toggleAttribute(key, value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...inner.flat().filter((one) => one !== null));
  return made;
}

function drawing(box, kind, ...paths) {
  const made = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: box, class: kind, "aria-hidden": "true", focusable: "false" };
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const [path, style] of paths) {
    const drawn = document.createElementNS(SVG, "path");
    drawn.setAttribute("d", path);
    drawn.setAttribute("class", style);
    made.append(drawn);
  }
  return made;
}

export const icon = (name) => drawing("0 0 24 24", "icon", [ICONS[name], "stroke"]);

export const seal = () => drawing("0 0 48 48", "seal", [SEAL, "wax"], ["M15.5 18.5h17v11.5h-17zl8.5 7 8.5-7", "mark"]);

/** A value of somebody's, in whatever direction it is written, without a way to turn the text around it. */
export const isolated = (value) => element("bdi", {}, safe(value));

/** The page's own words. */
export const words = (name, language, values = {}) => filled(PAGE[name][language], shownIn(language, values)).map((one) => one.text).join("");

/** The sentence of a code as nodes, its values isolated; the page has its own where the command's names an option. */
export function sentence(code, language, values = {}) {
  return filled((PAGE[code] ?? WORDS[code])[language], shownIn(language, values)).map((one) => (one.given ? isolated(one.text) : one.text));
}

function filled(template, shown) {
  const parts = template.split(/\{([A-Za-z_]+)\}/);
  const pieces = parts.map((part, at) => (at % 2 ? { text: part in shown ? shown[part] : "?", given: true } : { text: part, given: false }));
  return pieces.filter((one) => one.text);
}
