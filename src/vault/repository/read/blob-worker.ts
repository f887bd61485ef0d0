/**
 * A thread that decodes blobs; see `blob-threads.ts`.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import type { MasterKey } from "../../../format/restic/model.ts";
import { type DecodeFailure, decodeBlobs, decodeFile } from "./decode-blobs.ts";
import type { FromThread, ToThread } from "./blob-threads.ts";

const key = workerData as MasterKey;

parentPort?.on("message", ({ id, task, target }: ToThread) => {
  const failures = "part" in task ? readAndDecode(task, target) : decodeBlobs(key, task, target);
  const answer: FromThread = { id, failures };
  parentPort?.postMessage(answer);
});

/** Undefined where the file cannot be read: the storage it belongs to says why, in its own words. */
function readAndDecode(
  task: Parameters<typeof decodeFile>[1],
  target: Uint8Array | undefined,
): readonly DecodeFailure[] | undefined {
  try {
    return decodeFile(key, task, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return undefined;
  }
}
