import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../../domain/byte-string.ts";
import { type EntryFacts, encodeEntryFacts } from "../../../format/archive/contents-line.ts";
import { RunLines } from "./run-lines.ts";

test("the lines of a run are found in each text it reaches over, and compared there", () => {
  const entries = ["a", "b", "c", "d"].map(
    (name): EntryFacts => ({
      kind: "directory",
      root: "uploads",
      path: asByteString(name),
      mode: 0o755,
      uid: 1,
      gid: 2,
      sizeBytes: 0,
      mtimeNs: 1_700_000_000_123_456_789n,
      ctimeNs: 0n,
      inode: 5n,
    }),
  );
  const written = entries.map(encodeEntryFacts);
  const lines = new RunLines();
  for (const part of [written.slice(0, 1), written.slice(1, 3), written.slice(3)]) {
    const text = Buffer.from(`what came before\n${part.join("\n")}\n`, "latin1");
    for (const line of part) lines.push(text, text.indexOf(line), text.indexOf(line) + line.length);
  }
  assert.equal(lines.length, 4);
  assert.deepEqual(lines.all(), written);
  assert.equal(lines.at(4), "");
  entries.forEach((entry, index) => {
    assert.ok(lines.isUnchanged(index, entry));
    assert.ok(!lines.isUnchanged(index, { ...entry, inode: 6n }));
    assert.ok(!lines.isUnchanged(index + 1, entry));
  });
});
