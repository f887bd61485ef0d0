import assert from "node:assert/strict";
import { test } from "node:test";
import { isKnownNode } from "./known-node.ts";

test("isKnownNode() is true of the version this is tested with, and of no later one", () => {
  assert.equal(isKnownNode(), true);
  for (const version of ["25.0.0", "240.1.0", "2.4.0", ""]) assert.equal(isKnownNode(version), false);
});
