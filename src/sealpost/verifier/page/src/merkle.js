// The Merkle tree of the log: hashes of leaves and nodes, and inclusion (RFC 6962, 2.1; RFC 9162, 2.1.3.2).
import { equal, joined, sha256 } from "./octets.js";

const HASH = 32;

export const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));

const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

/** Whether a leaf stands at a place of the tree with this root; index and size are BigInt. */
export async function includes(index, size, leaf, proof, root) {
  if (index < 0n || index >= size || [leaf, root, ...proof].some((one) => one.length !== HASH)) return false;
  let [place, last, found] = [index, size - 1n, leaf];
  for (const hashed of proof) {
    if (last === 0n) return false;
    if (place & 1n || place === last) {
      found = await nodeHash(hashed, found);
      while (place && !(place & 1n)) [place, last] = [place >> 1n, last >> 1n];
    } else {
      found = await nodeHash(found, hashed);
    }
    [place, last] = [place >> 1n, last >> 1n];
  }
  return last === 0n && equal(found, root);
}
