import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../../testing/properties.ts";
import {
  archiveName,
  backupId,
  compareIds,
  contentsName,
  databaseName,
  isStamp,
  makeLabel,
  metadataName,
  parseBackupId,
  parseObjectName,
  stampCandidate,
  stampToMs,
} from "./file-names.ts";

const noonMs = new Date(2024, 0, 1, 12, 0, 0).getTime();

test("stampCandidate() says local time, then counts up from -2", () => {
  assert.equal(stampCandidate(noonMs, 1), "20240101_120000");
  assert.equal(stampCandidate(noonMs + 999, 2), "20240101_120000-2");
  assert.equal(stampCandidate(noonMs, 10), "20240101_120000-10");
  assert.equal(stampToMs("20240101_120000-10"), noonMs);
});

test("object names are those of the layout", () => {
  assert.equal(databaseName("20240101_120000", ""), "database/db_backup_20240101_120000.db");
  assert.equal(databaseName("20240101_120000-2", "users"), "database/db_backup_20240101_120000-2.users.db");
  assert.equal(archiveName("20240101_120000"), "storage/storage_backup_20240101_120000.tar.gz");
  assert.equal(contentsName("20240101_120000"), "storage/storage_backup_20240101_120000.contents.jsonl.gz");
  assert.equal(metadataName("full_backup_20240101_120000"), "full/full_backup_20240101_120000.json");
});

test("parseObjectName() refuses days and times that do not exist", () => {
  const read = (stamp: string) => parseObjectName(`database/db_backup_${stamp}.db`);
  assert.equal(read("20240229_235959")?.stamp, "20240229_235959");
  for (const bad of ["99999999_999999", "20230229_120000", "20241301_120000", "20240100_120000"])
    assert.equal(read(bad), undefined, bad);
  for (const bad of ["20240101_240000", "20240101_126000", "20240101_120060"])
    assert.equal(read(bad), undefined, bad);
});

const stamps = fc
  .record({ ms: fc.integer({ min: 0, max: 4_000_000_000_000 }), attempt: fc.integer({ min: 1, max: 999 }) })
  .map(({ ms, attempt }) => stampCandidate(ms, attempt));

test("parseObjectName() reads back every name that is made", () => {
  fc.assert(
    fc.property(stamps, fc.string({ maxLength: 300 }), (stamp, ownName) => {
      const label = makeLabel(ownName, new Set([""]));
      assert.ok(isStamp(stamp));
      const read = (name: string) => parseObjectName(name);
      assert.deepEqual(read(archiveName(stamp)), { type: "storage", stamp, role: "archive", label: "" });
      assert.deepEqual(read(contentsName(stamp)), { type: "storage", stamp, role: "contents", label: "" });
      assert.deepEqual(read(databaseName(stamp, "")), {
        type: "database",
        stamp,
        role: "database",
        label: "",
      });
      assert.deepEqual(read(databaseName(stamp, label)), {
        type: "database",
        stamp,
        role: "database",
        label,
      });
      for (const type of ["full", "database", "storage"] as const) {
        assert.deepEqual(parseBackupId(backupId(type, stamp)), { type, stamp });
        assert.deepEqual(read(metadataName(backupId(type, stamp))), {
          type,
          stamp,
          role: "metadata",
          label: "",
        });
      }
    }),
  );
});

test("makeLabel() keeps to what a storage's names may hold, and tells equal labels apart", () => {
  const taken = new Set<string>([""]);
  const names = [
    "users.db",
    "a b",
    "a/b",
    "a_b",
    "..",
    ".hidden",
    "юзеры.sqlite3",
    "",
    "x".repeat(300),
    ".db",
  ];
  for (const name of names) {
    const label = makeLabel(name, taken);
    assert.match(label, /^[A-Za-z0-9_+-][A-Za-z0-9._+-]*$/);
    assert.ok(!taken.has(label), label);
    assert.ok(databaseName("20240101_120000-999", label).length < 200);
    taken.add(label);
  }
  assert.ok(taken.has("users"));
  assert.ok(taken.has("a_b-3"));
});

test("parseObjectName() and parseBackupId() refuse what nobody would make", () => {
  const names = [
    "db_backup_20240101_120000.db",
    "storage/db_backup_20240101_120000.db",
    "database/db_backup_20240101_120000.db-wal",
    "database/db_backup_20240101_120000.db.tmp",
    "database/../full/full_backup_20240101_120000.json",
    "database/x/db_backup_20240101_120000.db",
    "database/db_backup_2024_12.db",
    "full/full_backup_20240101_120000.db",
    "full/full_backup_20240101_120000",
    "storage/storage_backup_20240101_120000.zip",
    ".vertex/vault.json",
    "backup.log",
  ];
  for (const name of names) assert.equal(parseObjectName(name), undefined, name);
  const ids = [
    "",
    "latest",
    "db_backup_20240101_120000.db",
    "db_backup_20240101_120000/",
    "x_backup_20240101_120000",
  ];
  for (const id of ids) assert.equal(parseBackupId(id), undefined, id);
  assert.throws(() => metadataName("../x"), RangeError);
});

test("parseObjectName() reads the names of the Python original", () => {
  assert.equal(parseObjectName("database/db_backup_20240101_120000.db")?.role, "database");
  assert.equal(parseObjectName("storage/storage_backup_20240101_120000.tar.gz")?.role, "archive");
  assert.equal(parseObjectName("full/full_backup_20240101_120000.json")?.role, "metadata");
});

test("compareIds() puts -10 after -2 and the plain name before both", () => {
  const ids = ["db_backup_20240101_120000-10", "db_backup_20240101_120000", "db_backup_20240101_120000-2"];
  assert.deepEqual(ids.toSorted(compareIds), [ids[1], ids[2], ids[0]]);
});
