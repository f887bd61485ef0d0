import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCopiedFrom, parseCopiedFrom } from "./copied-from.ts";

test("parseCopiedFrom() reads what encodeCopiedFrom() writes, and takes nothing else for it", () => {
  const origin = { id: "ab".repeat(32), vault: 's3://bück"et' };
  assert.deepEqual(parseCopiedFrom(encodeCopiedFrom(origin)), origin);
  const long = parseCopiedFrom(encodeCopiedFrom({ ...origin, vault: "x".repeat(5000) }));
  assert.equal(long?.vault.length, 2000);
  const wrong = ["", "null", "[]", "{", '{"id":"x","vault":""}', `{"id":"${origin.id}"}`, " ".repeat(50_000)];
  for (const json of wrong) assert.equal(parseCopiedFrom(json), undefined, json);
});
