// The page's beginning: the verifier under a name for tests and for whoever wants to call it, and the page for people.
import { begin } from "./page.js";
import { verify } from "./verify.js";

window.sealpost = Object.freeze({ verify });
begin(document.body);
