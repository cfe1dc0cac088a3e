// Values in a form that no record has, as the command's language takes them: what counts as true, and how it is written.
//
// So that octets made to be odd get the same reason from command and page. Without imports, for every module.

/** Whether a value counts as true: nothing, zero and whatever is empty do not. */
export function isTrue(value) {
  if (value instanceof Map) return value.size > 0;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return value.length > 0;
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

/** The first value where it counts as true, else the second. */
export const either = (one, other) => (isTrue(one) ? one : other);

/** A value as text; it never throws, whatever a record holds. */
export function asText(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The beginning of a text, in characters, not in units of UTF-16. */
export const beginning = (text, most) => [...text.slice(0, 2 * most)].slice(0, most).join("");
