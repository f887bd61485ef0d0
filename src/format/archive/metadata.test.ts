import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../../testing/properties.ts";
import { type BackupMetadata, encodeMetadata } from "./metadata.ts";
import { parseMetadata } from "./metadata-parse.ts";
import { encodeSealed } from "./sealed-document.ts";

const stamp = "20240101_120000";
const id = `full_backup_${stamp}`;
const sha256 = "ab".repeat(32);

function sample(changes: Partial<BackupMetadata> = {}): BackupMetadata {
  return {
    id,
    type: "full",
    parts: [`db_backup_${stamp}`, `storage_backup_${stamp}`],
    source: "shop",
    host: "web1",
    startedAt: "2024-01-01T12:00:00.000+03:00",
    startedAtMs: Date.UTC(2024, 0, 1, 9),
    durationMs: 1_400,
    sourceBytes: 70_000,
    counts: { databases: 1, files: 3, directories: 2, symlinks: 1, unchangedFiles: 0 },
    files: [
      { name: `database/db_backup_${stamp}.db`, role: "database", sizeBytes: 8_192, sha256 },
      { name: `storage/storage_backup_${stamp}.tar.gz`, role: "archive", sizeBytes: 500, sha256 },
      { name: `storage/storage_backup_${stamp}.contents.jsonl.gz`, role: "contents", sizeBytes: 50, sha256 },
      { name: `database/db_backup_${stamp}.json`, role: "metadata", sizeBytes: 900, sha256 },
    ],
    databases: [
      {
        name: "app.db",
        path: "/srv/app.db",
        file: `database/db_backup_${stamp}.db`,
        sizeBytes: 8_192,
        sha256,
        pageSizeBytes: 4_096,
        journalMode: "wal",
        check: { method: "quick_check", ok: true, messages: [] },
        mode: 0o640,
        uid: 1_000,
        gid: 1_000,
      },
    ],
    roots: [{ name: "uploads", path: "/srv/uploads" }],
    compression: "gzip",
    state: "good",
    stateReason: "",
    incomplete: false,
    safety: false,
    tags: ["weekly"],
    problems: [{ kind: "special-file", path: "uploads/pipe", message: "a pipe" }],
    problemCount: 1,
    toolVersion: "0.1.0",
    ...changes,
  };
}

/** The sample's document with some fields replaced. */
function documentWith(changes: Record<string, unknown>): Buffer {
  const document = JSON.parse(encodeMetadata(sample()).toString("utf8")) as Record<string, unknown>;
  const { sha256_above: _, ...fields } = { ...document, ...changes };
  return encodeSealed(fields);
}

test("parseMetadata() reads back what encodeMetadata() wrote, and passes over fields it does not know", () => {
  assert.deepEqual(parseMetadata(encodeMetadata(sample()), id), { outcome: "ours", metadata: sample() });
  assert.deepEqual(parseMetadata(documentWith({ added_later: { x: 1 } }), id), {
    outcome: "ours",
    metadata: sample(),
  });
});

test("encodeMetadata() writes the names that are documented", () => {
  const document = JSON.parse(encodeMetadata(sample()).toString("utf8"));
  assert.equal(document.format_version, 1);
  assert.equal(document.started_at, "2024-01-01T12:00:00.000+03:00");
  assert.equal(document.stored_bytes, 8_192 + 500 + 50 + 900);
  assert.equal(document.databases[0].journal_mode, "wal");
  assert.equal(document.files[0].size_bytes, 8_192);
});

test("encodeMetadata() cuts what would not be read back", () => {
  const problem = { kind: "vanished", path: "p".repeat(100_000), message: "m".repeat(100_000) } as const;
  const long = sample({
    problems: Array(2_000).fill(problem),
    problemCount: 2_000,
    stateReason: "r".repeat(9_999),
  });
  const parsed = parseMetadata(encodeMetadata(long), id);
  assert.ok(parsed.outcome === "ours");
  assert.equal(parsed.metadata.problems.length, 1_000);
  assert.equal(parsed.metadata.problemCount, 2_000);
});

test("parseMetadata() tells a newer version, a foreign document and a damaged one apart", () => {
  assert.deepEqual(parseMetadata(documentWith({ format_version: 2, files: "other" }), id), {
    outcome: "newer",
    formatVersion: 2,
  });
  const unsealed = (formatVersion: number): Buffer => Buffer.from(`{"format_version": ${formatVersion}}`);
  assert.deepEqual(parseMetadata(unsealed(2), id), { outcome: "newer", formatVersion: 2 });
  assert.equal(parseMetadata(unsealed(1), id).outcome, "damaged");
  const python = Buffer.from('{"timestamp": "20240101_120000", "checksum": "abc", "type": "database"}');
  assert.deepEqual(parseMetadata(python, id), { outcome: "foreign" });
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from("{"),
    Buffer.from("[]"),
    Buffer.from("7"),
    Buffer.alloc(9, 255),
  ]) {
    assert.equal(parseMetadata(bytes, id).outcome, "damaged");
  }
});

test("parseMetadata() calls a document damaged that names another backup's files, or files outside the vault", () => {
  const names = [
    "../../etc/passwd",
    "/etc/passwd",
    "database/db_backup_20240101_120001.db",
    "database/db_backup_20240101_120000-2.db",
    "storage/storage_backup_20240101_120000.tar.gz",
  ];
  for (const name of names) {
    const files = [{ name, role: "database", size_bytes: 1, sha256 }];
    assert.equal(parseMetadata(documentWith({ files, databases: [] }), id).outcome, "damaged", name);
  }
  assert.equal(parseMetadata(encodeMetadata(sample()), `full_backup_${stamp}-2`).outcome, "damaged");
  const stray = [
    { ...JSON.parse(documentWith({}).toString()).databases[0], file: "database/db_backup_1.db" },
  ];
  assert.equal(parseMetadata(documentWith({ databases: stray }), id).outcome, "damaged");
});

test("parseMetadata() calls a document damaged in which any field is not what it should be", () => {
  const document = JSON.parse(encodeMetadata(sample()).toString("utf8")) as Record<string, unknown>;
  const fields = Object.keys(document).filter(
    (field) => !["format_version", "stored_bytes", "sha256_above"].includes(field),
  );
  assert.ok(fields.length > 15);
  for (const field of fields) {
    for (const wrong of [null, -1, 1.5, {}, [7], "x".repeat(20_000)]) {
      assert.equal(
        parseMetadata(documentWith({ [field]: wrong }), id).outcome,
        "damaged",
        `${field} = ${wrong}`,
      );
    }
  }
});

test("parseMetadata() answers whatever JSON it is given", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      assert.notEqual(parseMetadata(Buffer.from(json), id).outcome, "ours");
    }),
  );
});
