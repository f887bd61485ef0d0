/**
 * A thread that decodes blobs; see `blob-threads.ts`.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import type { MasterKey } from "../../../format/restic/model.ts";
import { decodeBlobs } from "./decode-blobs.ts";
import type { FromThread, ToThread } from "./blob-threads.ts";

const key = workerData as MasterKey;

parentPort?.on("message", ({ id, task, target }: ToThread) => {
  const answer: FromThread = { id, failures: decodeBlobs(key, task, target) };
  parentPort?.postMessage(answer);
});
