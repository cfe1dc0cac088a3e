// The page for people: three fields for files, a choice of language, and the result as soon as there is a bundle.
//
// Nothing is sent, stored or loaded: the page's Content-Security-Policy allows no connection at all.
import { LANGUAGES } from "./tables.js";
import { Unusable } from "./report.js";
import { banner, details, notices } from "./result.js";
import { chosen, dropped, octetsOf, trustFiles } from "./files.js";
import { element, icon, isolated, seal, words } from "./dom.js";
import { hex, sha256 } from "./octets.js";
import { unable, verify } from "./verify.js";

const NAMES = { nl: "Nederlands", en: "English", de: "Deutsch", fr: "Français" };
const TOO_OLD = "this browser is too old or does not allow the functions that the check needs";
const FIELDS = ["bundle", "trust", "receipts"];
const state = { language: "en", bundle: [], trust: [], receipts: [], shown: null, run: 0 };

/** Puts the page into the document. */
export function begin(body) {
  const wanted = navigator.languages.map((one) => one.slice(0, 2).toLowerCase());
  state.language = wanted.find((one) => LANGUAGES.includes(one)) ?? "en";
  body.replaceChildren(element("div", { id: "page" }), element("p", { id: "status", class: "unseen", role: "status" }));
  drawn();
  // A file that is dropped beside a field would replace the page.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  window.addEventListener("beforeprint", () => unfolded(true));
  window.addEventListener("afterprint", () => unfolded(false));
}

const told = (name, values) => words(name, state.language, values);

function announce(text) {
  document.getElementById("status").textContent = text;
}

/** Everything on the page in the chosen language; the focus stays where it was. */
function drawn() {
  const focused = document.activeElement?.id;
  document.documentElement.lang = state.language;
  document.title = `${told("title")} – Sealpost`;
  document.getElementById("page").replaceChildren(bar(), main());
  if (focused) document.getElementById(focused)?.focus();
}

function bar() {
  const option = (one) => element("option", { value: one, lang: one, selected: one === state.language }, NAMES[one]);
  const change = (event) => {
    state.language = event.target.value;
    drawn();
  };
  return element(
    "header",
    { class: "bar" },
    element("span", { class: "brand" }, seal(), "Sealpost"),
    element(
      "span",
      { class: "language" },
      element("label", { for: "language" }, told("language")),
      element("select", { id: "language", change }, LANGUAGES.map(option)),
    ),
  );
}

function main() {
  return element(
    "main",
    {},
    element("h1", {}, told("title")),
    element("p", { class: "lead" }, told("lead")),
    element("p", { class: "local" }, icon("lock"), element("span", {}, told("local"))),
    element("div", { class: "fields" }, FIELDS.map(field)),
    element("section", { id: "result", "aria-labelledby": state.shown && "outcome" }, result()),
  );
}

/** A field for files: choose, drop, take away. */
function field(name) {
  const take = (given) => given.length && put(name, given);
  const drop = async (event) => {
    event.preventDefault();
    event.stopPropagation();
    event.currentTarget.classList.remove("over");
    take(await dropped(event.dataTransfer));
  };
  const dragover = (event) => event.currentTarget.classList.add("over");
  const dragleave = (event) => event.currentTarget.classList.remove("over");
  const inputs = { bundle: ["file"], trust: ["folder", "files"], receipts: ["files"] }[name];
  return element(
    "fieldset",
    { class: `field ${name}`, drop, dragover, dragleave, "aria-describedby": `${name}-hint` },
    element("legend", {}, told(name)),
    element("p", { class: "hint", id: `${name}-hint` }, told(`${name}_hint`)),
    element("p", { class: "ways" }, inputs.map((one) => input(name, one, take)), element("span", { class: "or" }, told("drop"))),
    chosenFiles(name),
  );
}

function input(name, way, take) {
  const id = `${name}-${way}`;
  const attributes = { type: "file", id, multiple: way !== "file", webkitdirectory: way === "folder" };
  const accept = name === "bundle" ? ".asice" : null;
  const change = (event) => take(chosen(event.target));
  return element(
    "span",
    { class: "way" },
    element("input", { ...attributes, accept, change }),
    element("label", { for: id }, told(`choose_${way}`), element("span", { class: "unseen" }, `: ${told(name)}`)),
  );
}

function chosenFiles(name) {
  if (!state[name].length) return null;
  const shown = state[name].length > 4 ? told("files", { count: state[name].length }) : null;
  const list = shown ?? state[name].map(({ path }, at) => [at ? ", " : "", isolated(path)]).flat();
  const click = () => {
    put(name, []);
    document.querySelector(`.${name} input`).focus();
  };
  const label = `${told("remove")}: ${told(name)}`;
  return element(
    "p",
    { class: "chosen" },
    element("span", {}, list),
    element("button", { type: "button", id: `${name}-remove`, "aria-label": label, click }, told("remove")),
  );
}

async function put(name, given) {
  state[name] = name === "bundle" ? given.slice(0, 1) : given;
  state.shown = null;
  state.run += 1;
  drawn();
  if (state.bundle.length) await run(state.run);
  else announce("");
}

/** Verifies what was chosen; an answer that is overtaken by another choice is dropped. */
async function run(number) {
  announce(told("checking"));
  document.getElementById("result").replaceChildren(element("p", { class: "busy" }, told("checking")));
  const [{ file }] = state.bundle;
  const facts = { name: file.name, size: file.size, fingerprint: "", trust: state.trust.length, at: new Date() };
  facts.page = document.querySelector("meta[name=sources]").content.slice(0, 16);
  const report = await answered(file, facts);
  if (number !== state.run) return;
  state.shown = { report, facts };
  try {
    drawn();
  } catch (error) {
    state.shown = { report: unable(error, state.language), facts }; // a sentence, never half a result
    drawn();
  }
  announce(document.querySelector(".banner").innerText);
  document.getElementById("result").scrollIntoView({ block: "start" });
}

async function answered(file, facts) {
  try {
    if (!crypto.subtle || !("DecompressionStream" in window)) throw new Unusable(TOO_OLD);
    const bundle = await octetsOf(file);
    facts.fingerprint = hex(await sha256(bundle));
    const trust = state.trust.length ? await trustFiles(state.trust) : null;
    const receipts = [];
    for (const one of state.receipts) receipts.push({ name: one.path, octets: await octetsOf(one.file) });
    return await verify({ bundle, trust, receipts, language: state.language });
  } catch (error) {
    return unable(error, state.language);
  }
}

function result() {
  if (state.shown === null) return [];
  const { report, facts } = state.shown;
  return [
    banner(report, state.language, facts.trust > 0),
    ...notices(report, state.language),
    element("p", { class: "acts" }, element("button", { type: "button", id: "print", click: () => window.print() }, told("print"))),
    ...details(report, facts, state.language),
  ];
}

/** On paper all claims are open. */
function unfolded(printing) {
  for (const one of document.querySelectorAll("details")) {
    if (printing) one.dataset.open = String(one.open);
    one.open = printing || one.dataset.open === "true";
  }
}
