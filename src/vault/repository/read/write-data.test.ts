import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fc } from "../../../testing/properties.ts";
import { UnwrittenError, writeData } from "./write-data.ts";

const kib = 1024;

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "write-data-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes parts one after the other, the last one first. */
function writeParts(path: string, parts: readonly Buffer[]): void {
  const descriptor = openSync(path, "w");
  let position = parts.reduce((sum, part) => sum + part.length, 0);
  for (const part of parts.toReversed()) {
    position -= part.length;
    writeData({ descriptor, position }, part);
  }
  closeSync(descriptor);
}

test("writeData() makes the same file in whatever parts and order, wherever zeros lie", (t) => {
  const path = join(makeFolder(t), "file");
  const run = fc.tuple(
    fc.constantFrom(0, 0, 1),
    fc.constantFrom(1, 100, 4096, 10_000, 64 * kib, 68 * kib, 200 * kib),
  );
  const cut = fc.constantFrom(1000, 4096, 100_000, 256 * kib, 1024 * kib);
  fc.assert(
    fc.property(fc.array(run, { maxLength: 6 }), cut, (runs, partBytes) => {
      const whole = Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte)));
      const parts: Buffer[] = [];
      for (let i = 0; i < whole.length; i += partBytes) parts.push(whole.subarray(i, i + partBytes));
      writeParts(path, parts);
      assert.ok(readFileSync(path).equals(whole));
    }),
    { numRuns: 150 },
  );
});

test("writeData() leaves holes for long runs of zeros, wherever they begin, and not for short ones", (t) => {
  const folder = makeFolder(t);
  const bytesTaken = (name: string, parts: readonly Buffer[]): number => {
    writeParts(join(folder, name), parts);
    return statSync(join(folder, name)).blocks * 512;
  };
  const data = (size: number): Buffer => Buffer.alloc(size, 1);
  const zeros = Buffer.alloc(1024 * kib);
  for (let start = 1; start <= 17; start++) {
    const around = [data(start * 4 * kib), zeros, data(8 * kib)];
    assert.ok(bytesTaken(`inside-${start}`, [Buffer.concat(around)]) <= 128 * kib, `${start}`);
  }
  assert.ok(bytesTaken("shifted", [data(100), Buffer.concat([zeros, data(1)])]) <= 128 * kib);
  assert.ok(bytesTaken("parts", [zeros, zeros, zeros]) <= 128 * kib);
  const least = Buffer.concat([data(4 * kib), zeros.subarray(0, 64 * kib), data(1)]);
  assert.ok(bytesTaken("least", [least]) <= 16 * kib);
  const short = Buffer.concat(
    Array.from({ length: 16 }, () => [data(4 * kib), zeros.subarray(0, 60 * kib)]).flat(),
  );
  assert.ok(bytesTaken("short", [short]) >= 1000 * kib);
});

test("writeData() says in which file and why it could not write", (t) => {
  const path = join(makeFolder(t), "file");
  closeSync(openSync(path, "w"));
  const descriptor = openSync(path, "r");
  try {
    assert.throws(
      () => writeData({ descriptor, position: 0 }, Buffer.from("bytes")),
      (error) =>
        error instanceof UnwrittenError && error.code === "EBADF" && error.facts.descriptor === descriptor,
    );
  } finally {
    closeSync(descriptor);
  }
});
