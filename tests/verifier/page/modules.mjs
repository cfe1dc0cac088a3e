// Lets node load the page's modules as they are: esbuild takes JSON files as modules, node does not by itself.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

registerHooks({
  load(url, context, next) {
    if (!url.endsWith(".json")) return next(url, context);
    const source = `export default ${readFileSync(fileURLToPath(url), "utf-8")};`;
    return { format: "module", source, shortCircuit: true };
  },
});
