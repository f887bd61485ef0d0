import assert from "node:assert/strict";
import { type BigIntStats, lstatSync } from "node:fs";
import { test } from "node:test";
import { fc } from "../../../testing/properties.ts";
import { factWords, packFacts, unpackFacts } from "./file-facts.ts";

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
/** Years before 0 and after 9999, too. */
const timeNs = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n });

test("unpackFacts() gives what packFacts() took, also of inodes beyond 2^63 and of times after 2262", () => {
  const real = lstatSync(import.meta.filename, { bigint: true });
  fc.assert(
    fc.property(uint64, uint64, timeNs, (ino, dev, mtimeNs) => {
      const stats: BigIntStats = Object.assign(Object.create(real), { ino, dev, mtimeNs });
      const packed = new BigInt64Array(2 * factWords);
      packFacts(packed, 1, stats);
      const facts = unpackFacts(packed, 1);
      assert.deepEqual(
        [facts.inode, facts.deviceId, facts.mtimeNs, facts.ctimeNs, BigInt(facts.sizeBytes)],
        [ino, dev, mtimeNs, real.ctimeNs, real.size],
      );
    }),
  );
});
