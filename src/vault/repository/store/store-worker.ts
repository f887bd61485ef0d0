/**
 * A thread that reads, cuts, hashes, compresses and encrypts files into packs, which
 * it hands over when they are full; see `store-pool.ts`.
 *
 * @module
 */

import { hash } from "node:crypto";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { systemClock } from "../../../domain/clock.ts";
import { errorText, isBackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import { WorkDoer } from "./do-work.ts";
import { GarbageCounter } from "./garbage.ts";
import { PackBuilder, packBytes, type SealedPack } from "./pack-builder.ts";
import { SharedBlobSet } from "./shared-blob-set.ts";
import { StagedFiles } from "./staged-file.ts";
import {
  abortedAt,
  bytesReadAt,
  type FromStoreWorker,
  permitsAt,
  type StoreWorkerData,
  type ToStoreWorker,
} from "./store-messages.ts";

/** Looked at again now and then, in case a wake-up is missed by a thread that is ending. */
const permitWaitMs = 1_000;

class Aborted extends Error {}

const { key, chunkerPolynomial, version, level, known, control, buffers, stagingPrefix } =
  workerData as StoreWorkerData;
const words = new Int32Array(control);
const counters = new BigInt64Array(control);
const blobs = new SharedBlobSet(known, throwIfAborted);
const files = new StagedFiles(stagingPrefix);
const packs = new PackBuilder({ key, type: "data", version, level, files, takeBuffer, onPack });
const doer = new WorkDoer({
  chunkerPolynomial,
  save,
  throwIfAborted,
  onBytes: (count) => void Atomics.add(counters, bytesReadAt, BigInt(count)),
  clock: systemClock,
});
const garbage = new GarbageCounter();
let failed = false;

parentPort?.on("message", (message: ToStoreWorker) => {
  if (failed) return;
  try {
    if (message.kind === "flush") {
      packs.finish();
      post({ kind: "flushed" });
    } else {
      const result = doer.run(message.work);
      post({ kind: "done", id: message.id, result }, [result.facts.buffer]);
    }
  } catch (error) {
    failed = true;
    if (error instanceof Aborted) return;
    const errorKind = isBackupError(error) ? error.kind : "bug";
    post({ kind: "failed", errorKind, message: errorText(error) });
  }
});

/** Whoever claims a blob adds it to a pack at once; if that fails, so does the whole backup. */
function save(plain: Uint8Array): ObjectId {
  throwIfAborted();
  const raw = hash("sha256", plain, "buffer");
  const id = raw.toString("hex");
  if (blobs.claim(raw)) {
    packs.add(id, plain);
    garbage.add(plain.length);
  }
  return id;
}

function takeBuffer(): ArrayBuffer {
  const free: unknown = receiveMessageOnPort(buffers)?.message;
  return (free as ArrayBuffer | undefined) ?? Buffer.allocUnsafeSlow(packBytes).buffer;
}

/** Memory, and what the disk has yet to write, is bounded here: a thread stands still while too many packs wait to be stored. */
function onPack({ id, blobs: contents, content }: SealedPack): void {
  for (;;) {
    throwIfAborted();
    const permits = Atomics.load(words, permitsAt);
    if (permits === 0) Atomics.wait(words, permitsAt, 0, permitWaitMs);
    else if (Atomics.compareExchange(words, permitsAt, permits, permits - 1) === permits) break;
  }
  if ("preparedFile" in content) {
    post({ kind: "pack", id, blobs: contents, content });
    return;
  }
  const { buffer, length } = content;
  post({ kind: "pack", id, blobs: contents, content: { buffer, length } }, [buffer]);
}

function throwIfAborted(): void {
  if (Atomics.load(words, abortedAt) !== 0) throw new Aborted();
}

function post(message: FromStoreWorker, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
