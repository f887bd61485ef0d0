/**
 * The laws of entries whose content is a stream: what a copy from another vault
 * is made of.
 *
 * @module
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { byteStringFromText } from "../domain/byte-string.ts";
import type { Entry } from "../domain/entry.ts";
import { isBackupError } from "../domain/error.ts";
import type { Vault } from "../vault/vault.ts";
import type { VaultCheck } from "./vault-create-checks.ts";
import {
  beginOptions,
  makeFiles,
  noonMs,
  readAllOf,
  signal,
  summary,
  TestMachine,
  type VaultPlace,
} from "./vault-probe.ts";

const machine = new TestMachine().process(1);

/** Below and above what vaults treat as small, and neither a multiple of any block. */
const streamSizes = [0, 5_003, 1_015_809, 3_300_007] as const;

/** A file entry of the root `files` with an inode of its own. */
function fileEntry(path: string, content: Uint8Array, open: () => AsyncIterable<Uint8Array>): Entry {
  return {
    root: "files",
    path: byteStringFromText(path),
    kind: "file",
    mode: 0o640,
    uid: 1000,
    gid: 1000,
    mtimeNs: 1_700_000_000_123_456_789n,
    ctimeNs: 1_700_000_001_000_000_000n,
    inode: BigInt(1000 + content.byteLength),
    sizeBytes: content.byteLength,
    content: { from: "stream", open },
  };
}

const top: Entry = {
  root: "files",
  path: byteStringFromText(""),
  kind: "directory",
  mode: 0o755,
  uid: 1000,
  gid: 1000,
  mtimeNs: 1_700_000_000_000_000_000n,
  ctimeNs: 1_700_000_000_000_000_000n,
  inode: 2n,
  sizeBytes: 0,
};

/** Pieces of a prime length, each overwritten when the next one is asked for. */
async function* inPieces(content: Uint8Array): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(65_537);
  for (let at = 0; at < content.byteLength; at += buffer.length) {
    const piece = content.subarray(at, at + buffer.length);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}

async function storeStream(
  vault: Vault,
  content: Uint8Array,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const writer = await vault.begin(beginOptions({ type: "storage" }), signal);
  try {
    const entries = [top, fileEntry("a", content, () => bytes)];
    await writer.settle(entries, signal);
    await writer.add(
      entries.map((entry) => ({ entry, settled: false })),
      signal,
    );
    await writer.finish(summary(), signal);
  } finally {
    await writer.abort();
  }
}

export const vaultStreamChecks: readonly VaultCheck[] = [
  {
    name: "add() stores streams of every size, each opened once and read when it returns",
    run: async (place: VaultPlace) => {
      await using vault = await place.open(machine);
      const origin = { id: "full_backup_20240101_120000", vault: "/srv/other" };
      const writer = await vault.begin(beginOptions({ type: "storage", copiedFrom: origin }), signal);
      await writer.settle([top], signal);
      await writer.add([{ entry: top, settled: false }], signal);
      const expected = new Map<string, string>();
      for (const [index, sizeBytes] of streamSizes.entries()) {
        const content = randomBytes(sizeBytes);
        const seen = { opened: 0, read: false };
        const entry = fileEntry(`f${index}`, content, async function* () {
          seen.opened++;
          yield* inPieces(content);
          seen.read = true;
        });
        expected.set(`files/f${index}`, content.toString("hex"));
        const [settled] = await writer.settle([entry], signal);
        assert.equal(settled, false);
        await writer.add([{ entry, settled: false }], signal);
        assert.deepEqual(seen, { opened: 1, read: true }, `${sizeBytes} bytes`);
      }
      const backup = await writer.finish(summary(), signal);
      const found = await readAllOf(vault, backup.id);
      for (const [name, bytes] of expected) assert.equal(found.get(name), bytes, name);
      assert.deepEqual([backup.state, backup.counts.files], ["good", streamSizes.length]);
      assert.deepEqual((await vault.list(signal))[0]?.copiedFrom, origin);
      await using reader = await vault.open(backup.id, signal);
      const last = (await Array.fromAsync(reader.entries(signal))).at(-1);
      assert.deepEqual(
        [last?.mode, last?.uid, last?.mtimeNs, last?.sizeBytes],
        [0o640, 1000, 1_700_000_000_123_456_789n, streamSizes.at(-1)],
      );
      assert.notEqual(last?.contentId, undefined);
    },
  },
  {
    name: "add() fails the backup where a stream fails, ends early or goes on",
    run: async (place) => {
      await using vault = await place.open(machine);
      for (const sizeBytes of streamSizes.slice(1)) {
        const content = randomBytes(sizeBytes);
        const failing = async function* (): AsyncGenerator<Uint8Array> {
          yield content.subarray(0, sizeBytes - 2);
          throw new Error("the source is gone");
        };
        const longer = async function* (): AsyncGenerator<Uint8Array> {
          yield content;
          yield content.subarray(0, 1);
        };
        await assert.rejects(storeStream(vault, content, failing()), { message: "the source is gone" });
        for (const wrong of [inPieces(content.subarray(1)), longer()]) {
          await assert.rejects(storeStream(vault, content, wrong), (error) =>
            isBackupError(error, "damaged"),
          );
        }
      }
      assert.deepEqual(await vault.list(signal), []);
    },
  },
  {
    name: "settle() settles nothing against what came as a stream: it may have been a captured image",
    run: async (place) => {
      await using vault = await place.open(machine);
      const files = await makeFiles(place.folder, 1);
      const copied = files.map((entry): Entry => {
        if (entry.content === undefined) return entry;
        const bytes = new Uint8Array(entry.sizeBytes);
        return { ...entry, content: { from: "stream", open: () => inPieces(bytes) } };
      });
      let parent: string | undefined;
      for (const entries of [copied, files]) {
        const startedAtMs = noonMs + (parent === undefined ? 0 : 60_000);
        const origin = parent === undefined ? { copiedFrom: { id: "a", vault: "/srv/other" } } : {};
        const options = beginOptions({ type: "storage", startedAtMs, parent, ...origin });
        const writer = await vault.begin(options, signal);
        const settled = await writer.settle(entries, signal);
        await writer.add(
          entries.map((entry, i) => ({ entry, settled: settled[i] ?? false })),
          signal,
        );
        parent = (await writer.finish(summary(), signal)).id;
      }
      const found = await readAllOf(vault, parent ?? "");
      assert.match(Buffer.from(found.get("files/kept.txt") ?? "", "hex").toString(), /^kept/);
    },
  },
];
