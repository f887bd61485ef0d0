/**
 * Feeds a decoder what a hostile repository could hold: noise, and genuine documents cut
 * short, with bytes changed or with hostile pieces put in.
 *
 * @module
 */

import { isBackupError } from "../domain/error.ts";
import { fc } from "./properties.ts";

const hostilePieces: readonly string[] = [
  "[".repeat(10_000),
  '{"a":'.repeat(10_000),
  "9".repeat(400),
  "-1",
  "1e9",
  "0.5",
  "null",
  '"\\ud800"',
  '"\\',
  '"',
  "\u0000",
  ",",
  "{}",
  "[]",
  '"__proto__":{}',
];

/**
 * Checks that `decode` gives a value or fails as `damaged`, whatever it gets.
 *
 * @returns how many of the inputs were refused, so that a caller can see that some were
 */
export function fuzzDecoder(decode: (bytes: Uint8Array) => unknown, genuine: readonly Buffer[]): number {
  let refused = 0;
  const check = (bytes: Uint8Array): void => {
    try {
      decode(bytes);
    } catch (error) {
      if (!isBackupError(error, "damaged")) throw error;
      refused++;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 300 });
  fc.assert(fc.property(spoiled(genuine), check), { numRuns: 1000 });
  return refused;
}

function spoiled(genuine: readonly Buffer[]): fc.Arbitrary<Uint8Array> {
  const change = fc.oneof(
    fc.record({ byte: fc.nat(255) }),
    fc.record({ piece: fc.constantFrom(...hostilePieces) }),
    fc.constant({ cut: true }),
  );
  return fc
    .tuple(fc.constantFrom(...genuine), fc.nat({ max: 1_000_000 }), fc.nat({ max: 80 }), change)
    .map(([bytes, place, length, what]) => {
      const at = place % (bytes.length + 1);
      if ("cut" in what) return bytes.subarray(0, at);
      const middle = "byte" in what ? Buffer.from([what.byte]) : Buffer.from(what.piece);
      const rest = "byte" in what ? 1 : length;
      return Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(at + rest)]);
    });
}
