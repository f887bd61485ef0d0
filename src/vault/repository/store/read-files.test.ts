import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../domain/clock.ts";
import { byteStringFromText } from "../../../domain/byte-string.ts";
import { SourceFileError } from "../../source-file.ts";
import { FileReader, msUntilSettled } from "./read-files.ts";

const polynomial = 0x3da3358b4dc173n;

function inFolder(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "read-files-"));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readerOf(onBlob: (plain: Uint8Array) => void = () => undefined): FileReader {
  return new FileReader({
    chunkerPolynomial: polynomial,
    onBytes: () => undefined,
    clock: systemClock,
    save(plain) {
      onBlob(plain);
      return hash("sha256", plain, "hex");
    },
  });
}

test("store() gives all bytes of a file in order, in pieces of its own", () => {
  inFolder((folder) => {
    for (const size of [0, 1, 524_288, 524_289, 12_345_678]) {
      const content = randomBytes(size);
      const path = join(folder, `file-${size}`);
      writeFileSync(path, content);
      const parts: Buffer[] = [];
      const read = readerOf((plain) => void parts.push(Buffer.from(plain))).store(byteStringFromText(path));
      assert.ok(Buffer.concat(parts).equals(content));
      assert.deepEqual(
        [read.stored.sizeBytes, read.stored.changed, read.stored.content.length],
        [size, false, parts.length],
      );
      assert.ok(parts.every((part, i) => part.length >= 524_288 || i === parts.length - 1));
    }
  });
});

test("cut() and storePiece() find the blobs that store() finds, from wherever they go on", () => {
  inFolder((folder) => {
    const path = byteStringFromText(join(folder, "file"));
    writeFileSync(path, randomBytes(20_000_000));
    const reader = readerOf();
    const whole = reader.store(path).stored.content;
    const pieced: string[] = [];
    let start = 0;
    for (let isEnd = false; !isEnd; ) {
      const cut = reader.cut(path, start, 3_000_000);
      pieced.push(...reader.storePiece({ path, from: "path", start, lengths: cut.lengths }).stored.content);
      start = cut.lengths.reduce((sum, length) => sum + length, start);
      isEnd = cut.isEnd;
    }
    assert.deepEqual(pieced, whole);
  });
});

test("store() reads a file that changes once more, and then says so", () => {
  inFolder((folder) => {
    const path = join(folder, "log");
    writeFileSync(path, "line\n");
    let blobs = 0;
    const once = readerOf(() => {
      if (blobs++ === 0) appendFileSync(path, "more\n");
    }).store(byteStringFromText(path));
    assert.deepEqual([once.stored.changed, once.stored.sizeBytes], [false, 10]);
    const always = readerOf(() => appendFileSync(path, "and more\n")).store(byteStringFromText(path));
    assert.equal(always.stored.changed, true);
    writeFileSync(path, randomBytes(3_000_000));
    let cuts = 0;
    const cutShort = readerOf(() => {
      if (cuts++ === 0) truncateSync(path, 10);
    }).store(byteStringFromText(path));
    assert.deepEqual([cutShort.stored.changed, cutShort.stored.sizeBytes], [false, 10]);
  });
});

test("store() calls what is gone vanished", () => {
  inFolder((folder) => {
    const gone = byteStringFromText(join(folder, "gone"));
    assert.throws(
      () => readerOf().store(gone),
      (error) => error instanceof SourceFileError && error.problem === "vanished",
    );
  });
});

test("msUntilSettled() waits until a later change would show, and never long", () => {
  const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n;
  const now = 1_700_000_000_500;
  assert.equal(msUntilSettled(ns(now - 3) + 7n, now), 7);
  assert.equal(msUntilSettled(ns(now - 10) + 7n, now), 0);
  assert.equal(msUntilSettled(ns(now + 5) + 7n, now), 10);
  assert.equal(msUntilSettled(ns(1_700_000_000_000), now), 1_500, "times of whole seconds");
  assert.equal(msUntilSettled(ns(1_699_999_998_000), now), 0);
  assert.equal(msUntilSettled(ns(now + 3_600_000) + 7n, now), 0, "a clock that was set back");
});
