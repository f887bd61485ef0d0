import assert from "node:assert/strict";
import { pbkdf2Sync, scryptSync } from "node:crypto";
import { test } from "node:test";
import { fc } from "../testing/properties.ts";
import { laneBytes, mixLanes } from "./scrypt-kernel.ts";
import type { ScryptCost } from "./scrypt-threads.ts";

/** scrypt as RFC 7914 has it, around the kernel. */
function derive(password: string, salt: string, cost: ScryptCost): string {
  const lanes = pbkdf2Sync(password, salt, 1, laneBytes(cost) * cost.p, "sha256");
  mixLanes(lanes, cost);
  return pbkdf2Sync(password, lanes, 1, 64, "sha256").toString("hex");
}

test("mixLanes() gives the keys of RFC 7914, section 12", () => {
  assert.equal(
    derive("password", "NaCl", { N: 1024, r: 8, p: 16 }),
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
  );
  assert.equal(
    derive("pleaseletmein", "SodiumChloride", { N: 16_384, r: 8, p: 1 }),
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
  );
});

test("mixLanes() gives the keys that OpenSSL gives, whatever the cost", () => {
  const cost = fc.record({
    N: fc.integer({ min: 1, max: 11 }).map((bits) => 2 ** bits),
    r: fc.integer({ min: 1, max: 17 }),
    p: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(fc.string(), fc.string(), cost, (password, salt, chosen) => {
      const theirs = scryptSync(password, salt, 64, { ...chosen, maxmem: 2 ** 26 }).toString("hex");
      assert.equal(derive(password, salt, chosen), theirs);
    }),
    { numRuns: 60 },
  );
});
