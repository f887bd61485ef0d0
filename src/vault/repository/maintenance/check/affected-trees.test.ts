import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fc } from "../../../../testing/properties.ts";
import { AffectedTrees } from "./affected-trees.ts";

function idOf(n: number): string {
  return createHash("sha256").update(String(n)).digest("hex");
}

test("AffectedTrees marks exactly the trees from which something lost can be reached", () => {
  const treeCount = 30;
  // Trees are hashes of what is in them, so that none can be below itself.
  const edge = fc
    .tuple(fc.nat(treeCount - 1), fc.nat(treeCount - 1))
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  fc.assert(
    fc.property(
      fc.array(edge, { maxLength: 60 }),
      fc.array(fc.nat(treeCount - 1), { maxLength: 4 }),
      fc.shuffledSubarray(
        Array.from({ length: treeCount }, (_, n) => n),
        { minLength: treeCount },
      ),
      (edges, lost, order) => {
        const affected = new AffectedTrees();
        for (const parent of order) {
          const subtrees = edges.filter(([from]) => from === parent).map(([, to]) => idOf(to));
          affected.addTree(idOf(parent), subtrees);
        }
        for (const tree of lost) affected.addLoss(idOf(tree));
        const isAffected = affected.resolve();
        const reaches = (tree: number): boolean =>
          lost.includes(tree) || edges.some(([from, to]) => from === tree && reaches(to));
        for (let tree = 0; tree < treeCount; tree++) assert.equal(isAffected(idOf(tree)), reaches(tree));
        assert.equal(isAffected(idOf(1_000)), false);
        assert.equal(affected.isEmpty, lost.length === 0);
      },
    ),
    { numRuns: 100 },
  );
});
