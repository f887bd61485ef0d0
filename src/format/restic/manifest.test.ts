import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupError } from "../../domain/error.ts";
import { fuzzDecoder } from "../../testing/fuzz-decoder.ts";
import { fc } from "../../testing/properties.ts";
import { backupOfManifest, encodeManifest, type Manifest, manifestVersion } from "./manifest.ts";
import { parseManifest } from "./manifest-parse.ts";

const manifest: Manifest = {
  type: "full",
  source: "shop",
  host: "web-1",
  startedAt: "2026-11-23T10:00:00.000+01:00",
  startedAtMs: Date.parse("2026-11-23T10:00:00.000+01:00"),
  durationMs: 1_234,
  sourceBytes: 10,
  storedBytes: 5,
  counts: { databases: 1, files: 2, directories: 3, symlinks: 4, unchangedFiles: 1 },
  databases: [
    {
      name: "app.db",
      path: "/srv/app.db",
      treePath: "/srv/app.db",
      sizeBytes: 8192,
      pageSizeBytes: 4096,
      journalMode: "wal",
      check: { method: "quick_check", ok: false, messages: ["page 3 is gone"] },
      mode: 0o640,
      uid: -1,
      gid: 1000,
    },
  ],
  roots: [{ name: "uploads", path: "/srv/uploads", treePath: "/srv/uploads" }],
  state: "damaged",
  stateReason: "database app.db failed its check: page 3 is gone",
  incomplete: true,
  suspect: true,
  safety: false,
  tags: ["weekly"],
  problems: [{ kind: "unreadable", path: "uploads/ключ", message: "not permitted" }],
  problemCount: 7,
  toolVersion: "1.2.3",
  copiedFrom: { id: "full_backup_20240101_120000", vault: "/srv/other" },
};

/** Throws as decoders do. */
function decode(bytes: Uint8Array): Manifest {
  const parsed = parseManifest(Buffer.from(bytes).toString("utf8"));
  if (parsed.outcome === "ours") return parsed.manifest;
  throw new BackupError("damaged", parsed.outcome === "damaged" ? parsed.reason : "newer");
}

test("parseManifest() gives back what encodeManifest() was given", () => {
  assert.deepEqual(parseManifest(encodeManifest(manifest)), { outcome: "ours", manifest });
  const { copiedFrom: _, ...own } = manifest;
  assert.deepEqual(decode(Buffer.from(encodeManifest(own))), own);
});

test("encodeManifest() cuts what is too long to be read back", () => {
  fc.assert(
    fc.property(fc.nat({ max: 5_000 }), fc.nat({ max: 1_500 }), (length, count) => {
      const problem = {
        kind: "vanished",
        path: "p".repeat(length * 4),
        message: "m".repeat(length),
      } as const;
      const long = { ...manifest, stateReason: "r".repeat(length), problems: new Array(count).fill(problem) };
      const parsed = decode(Buffer.from(encodeManifest(long)));
      assert.equal(parsed.problems.length, Math.min(count, 1_000));
    }),
    { numRuns: 20 },
  );
});

test("parseManifest() tells a newer manifest from a damaged one", () => {
  const newer = JSON.stringify({ format_version: manifestVersion + 1 });
  assert.deepEqual(parseManifest(newer), { outcome: "newer", formatVersion: manifestVersion + 1 });
  for (const text of [
    "",
    "null",
    "[]",
    "{}",
    "[".repeat(1_000_000),
    '{"format_version":0}',
    '{"format_version":1}',
  ]) {
    assert.equal(parseManifest(text).outcome, "damaged", text.slice(0, 30));
  }
});

test("parseManifest() refuses paths that lead out of a tree", () => {
  const text = encodeManifest(manifest);
  for (const path of ["", "srv", "/", "/srv//x", "/srv/../etc", "/srv/."]) {
    const hostile = text.replace('"tree_path":"/srv/uploads"', `"tree_path":"${path}"`);
    assert.notEqual(hostile, text);
    assert.equal(parseManifest(hostile).outcome, "damaged", path);
  }
});

test("parseManifest() gives a manifest or says damaged, whatever it gets", () => {
  assert.ok(fuzzDecoder(decode, [Buffer.from(encodeManifest(manifest))]) > 300);
});

test("backupOfManifest() describes the backup, and never shows where in a tree its parts are", () => {
  const backup = backupOfManifest(manifest, "ab".repeat(32));
  assert.equal(backup.suspect, true);
  assert.equal(JSON.stringify(backup).includes("treePath"), false);
  assert.equal("suspect" in backupOfManifest({ ...manifest, suspect: false }, ""), false);
});
