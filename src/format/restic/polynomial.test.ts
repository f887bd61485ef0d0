import assert from "node:assert/strict";
import { test } from "node:test";
import { isIrreducible, randomPolynomial } from "./polynomial.ts";

// restic/chunker: polynomials_test.go, `polIrredTests`.
const irreducible = [0x3da3358b4dc173n, 0x2482734cacca49n];
const reducible = [
  0x38f1e565e288dfn,
  0x30a8295b9d5c91n,
  0x255f4350b962cbn,
  0x267f776110a235n,
  0x2f4dae10d41227n,
  0x312daf4b284899n,
  0x29dfb6553d01d1n,
  0x3548245eb26257n,
  0x3199e7ef4211b3n,
  0x362f39017dae8bn,
  0x200d57aa6fdacbn,
  0x35e0a4efa1d275n,
  0x2ced55b026577fn,
  0x260b012010893dn,
  0x2df29cbcd59e9dn,
  0x3f2ac7488bd429n,
  0x3e5cb1711669fbn,
  0x226d8de57a9959n,
  0x3c8de80aaf5835n,
  0x2026a59efb219bn,
  0x39dfa4d13fb231n,
  0x3143d0464b3299n,
];

test("isIrreducible() judges as restic's own tests do", () => {
  for (const polynomial of irreducible)
    assert.equal(isIrreducible(polynomial), true, polynomial.toString(16));
  for (const polynomial of reducible) assert.equal(isIrreducible(polynomial), false, polynomial.toString(16));
});

test("isIrreducible() finds as many polynomials of each small degree as there are", () => {
  // OEIS A001037: 2, 1, 2, 3, 6, 9, 18, 30, 56 of degree 1 to 9 over GF(2).
  const counts = Array.from({ length: 9 }, () => 0);
  for (let polynomial = 2; polynomial < 1024; polynomial += 1) {
    if (isIrreducible(BigInt(polynomial))) counts[31 - Math.clz32(polynomial) - 1]! += 1;
  }
  assert.deepEqual(counts, [2, 1, 2, 3, 6, 9, 18, 30, 56]);
});

test("isIrreducible() calls constants reducible", () => {
  assert.equal(isIrreducible(0n), false);
  assert.equal(isIrreducible(1n), false);
});

test("randomPolynomial() gives irreducible polynomials of degree 53, never the same", () => {
  const polynomials = Array.from({ length: 20 }, randomPolynomial);
  for (const polynomial of polynomials) {
    assert.equal(polynomial >> 53n, 1n);
    assert.equal(isIrreducible(polynomial), true);
  }
  assert.equal(new Set(polynomials).size, polynomials.length);
});
