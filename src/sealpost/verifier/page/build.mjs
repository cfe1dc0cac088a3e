// Puts the page together: modules, tables, style and template become one file, `verify.html`.
//
// The file names the hash of its sources, so that a test without node can tell whether it is up to date, and the hashes of
// its script and its style, which are the only ones that its Content-Security-Policy lets run.
// Usage: node build.mjs [place of the built file]
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const place = process.argv[2] ?? join(here, "verify.html");
const read = (...name) => readFileSync(join(here, ...name));
const hashed = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** SHA-256 over the names and hashes of all sources, in the form that `sha256sum` prints. */
function sourcesHash() {
  const inner = readdirSync(join(here, "src")).toSorted().map((name) => `src/${name}`);
  const names = ["../reasons.json", "../rules.json", "../words.json", "build.mjs", "package.json", "template.html", ...inner];
  const lines = names.map((name) => `${createHash("sha256").update(read(name)).digest("hex")}  ${name}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}

async function bundled(entry) {
  // The working folder is in the output, as comments: named, so that the same sources give the same octets everywhere.
  const options = { absWorkingDir: here, bundle: true, write: false, format: "iife", target: "es2022", charset: "ascii", legalComments: "none" };
  const made = await build({ ...options, entryPoints: [join(here, "src", entry)], logLevel: "error" });
  return made.outputFiles[0].text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

const [sources, script, style] = [sourcesHash(), await bundled("main.js"), await bundled("page.css")];
const policy = [
  "default-src 'none'",
  `script-src ${hashed(script)}`,
  `style-src ${hashed(style)}`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");
const values = { policy, sources, style, script };
const page = read("template.html")
  .toString()
  .replace(/@@([a-z]+)@@/g, (_, name) => values[name]);
writeFileSync(place, page);
console.log(`${place}: ${Buffer.byteLength(page)} octets`);
