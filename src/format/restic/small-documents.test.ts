import assert from "node:assert/strict";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fuzzDecoder } from "../../testing/fuzz-decoder.ts";
import { encodeConfig, parseConfig } from "./config.ts";
import { encodeLock, parseLock } from "./lock.ts";
import type { LockDocument, SnapshotDocument } from "./model.ts";
import { encodeSnapshot, parseSnapshot } from "./snapshot.ts";

const id = "aba3bc9b0071632acda44262ac3bc680b78d46e706665c60e0fb7f21e200c037";

// Documents of restic 0.14.0, decrypted and decompressed.
const config = `{"version":2,"id":"${id}","chunker_polynomial":"39711b0f7c12db"}`;
const snapshot =
  '{"time":"2026-11-23T04:25:36.447989043-05:00","tree":"c2f188d07abe32ced6e51259abd6d607afed95d9661bc18b3612a8ccb1715f63"' +
  ',"paths":["/tmp/src"],"hostname":"hö\\"st","username":"root","excludes":["*.é"],"tags":["a","\\u003cb\\u003e"]}';
const lock =
  '{"time":"2026-11-23T10:25:42.935166251+01:00","exclusive":false,"hostname":"vm","username":"root","pid":6876}';

/** As restic 0.17 and rustic write it: all fields, some of others. */
const fullSnapshot: SnapshotDocument = {
  time: "2026-11-23T04:25:36.5Z",
  timeMs: Date.parse("2026-11-23T04:25:36.500Z"),
  parent: id,
  tree: id,
  paths: ["/srv/app", "/srv/é<"],
  hostname: "host",
  username: "app",
  uid: 1000,
  gid: 4_294_967_295,
  excludes: ["*.tmp"],
  tags: ["vertex-backup", "type:full"],
  original: id,
  programVersion: "restic 0.17.3",
  summary: {
    backupStart: "2026-11-23T04:25:35Z",
    backupEnd: "2026-11-23T04:25:36.5Z",
    filesNew: 1,
    filesChanged: 2,
    filesUnmodified: 3,
    dirsNew: 4,
    dirsChanged: 5,
    dirsUnmodified: 6,
    dataBlobs: 7,
    treeBlobs: 8,
    dataAddedBytes: 9,
    dataAddedPackedBytes: 10,
    totalFilesProcessed: 11,
    totalBytesProcessed: 12,
    others: new Map([["total_duration", "1.25"]]),
  },
  others: new Map([["vertex_backup", '{"a":{"b":[1,2.5,null,"é"]}}']]),
};

const ownLock: LockDocument = {
  time: "2026-11-23T10:25:42Z",
  timeMs: Date.parse("2026-11-23T10:25:42Z"),
  exclusive: true,
  hostname: "vm",
  username: "app",
  pid: 1,
  uid: 1000,
  gid: 1000,
  owner: { bootId: "b", pidNamespace: "pid:[4026531836]", startedTicks: "123" },
};

function refuses(read: (bytes: Uint8Array) => unknown, text: string): void {
  assert.throws(
    () => read(Buffer.from(text)),
    (error) => isBackupError(error, "damaged"),
    text,
  );
}

test("documents of restic's are read and written again byte for byte", () => {
  assert.equal(encodeConfig(parseConfig(Buffer.from(config))).toString(), config);
  assert.equal(encodeSnapshot(parseSnapshot(Buffer.from(snapshot))).toString(), snapshot);
  assert.equal(encodeLock(parseLock(Buffer.from(lock))).toString(), lock);
  assert.equal(parseConfig(Buffer.from(config)).chunkerPolynomial, 0x39711b0f7c12dbn);
  assert.equal(parseSnapshot(Buffer.from(snapshot)).timeMs, Date.parse("2026-11-23T09:25:36.447Z"));
  assert.deepEqual(parseSnapshot(Buffer.from(snapshot)).tags, ["a", "<b>"]);
});

test("a snapshot keeps what it says, fields of other programs included", () => {
  const bytes = encodeSnapshot(fullSnapshot);
  assert.deepEqual(parseSnapshot(bytes), fullSnapshot);
  const order = Object.keys(JSON.parse(bytes.toString()));
  assert.deepEqual(order.slice(0, 7), ["time", "parent", "tree", "paths", "hostname", "username", "uid"]);
  assert.deepEqual(order.slice(-3), ["program_version", "summary", "vertex_backup"]);
});

test("a lock keeps what it says, our proof of its owner included", () => {
  assert.deepEqual(parseLock(encodeLock(ownLock)), ownLock);
});

test("a configuration of a later format is refused as unsupported", () => {
  const later = Buffer.from(config.replace(":2", ":3"));
  assert.throws(
    () => parseConfig(later),
    (error) => isBackupError(error, "unsupported"),
  );
});

test("documents with fields missing or of the wrong kind are damaged", () => {
  for (const text of [
    "",
    "[]",
    "{}",
    "null",
    config.replace(":2", ":0"),
    config.replace("39", "79"),
    config.replace(id, "x"),
  ]) {
    refuses(parseConfig, text);
  }
  refuses(parseConfig, config.replace("39711b0f7c12db", "1"));
  refuses(parseConfig, config.replace(":2", ':"2"'));
  for (const change of [/"time":"[^"]*",/, /"tree":"[^"]*",/])
    refuses(parseSnapshot, snapshot.replace(change, ""));
  refuses(parseSnapshot, snapshot.replace('["/tmp/src"]', '"/tmp/src"'));
  refuses(parseSnapshot, snapshot.replace('["/tmp/src"]', "[1]"));
  refuses(parseSnapshot, snapshot.replace('"root"', "1"));
  refuses(parseSnapshot, snapshot.replace("2026-11", "2026-13"));
  refuses(parseSnapshot, `${snapshot}{}`);
  refuses(parseLock, lock.replace("6876", "-6"));
  refuses(parseLock, lock.replace("false", '"no"'));
  refuses(parseLock, lock.replace("2026", "26"));
});

test("small documents of noise or spoiled ones are damaged or read, nothing else", () => {
  assert.ok(fuzzDecoder(parseSnapshot, [Buffer.from(snapshot), encodeSnapshot(fullSnapshot)]) > 500);
  assert.ok(fuzzDecoder(parseLock, [Buffer.from(lock), encodeLock(ownLock)]) > 500);
  const readConfig = (bytes: Uint8Array): unknown => {
    try {
      return parseConfig(bytes);
    } catch (error) {
      if (isBackupError(error, "unsupported")) return undefined;
      throw error;
    }
  };
  assert.ok(fuzzDecoder(readConfig, [Buffer.from(config)]) > 500);
});
