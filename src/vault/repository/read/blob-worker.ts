/**
 * A thread that decodes blobs; see `blob-threads.ts`.
 *
 * @module
 */

import { parentPort } from "node:worker_threads";
import type { MasterKey } from "../../../format/restic/model.ts";
import type { FirstToThread, FromThread, ToThread } from "./blob-threads.ts";
import { decodeBlobs, decodeFile } from "./decode-blobs.ts";
import { inspectFile } from "./inspect-file.ts";
import { UnwrittenError } from "./write-data.ts";

/** Says that everything is loaded. */
const noTask = -1;

parentPort?.postMessage({ id: noTask, failures: undefined } satisfies FromThread);
parentPort?.once("message", ({ key }: FirstToThread) => {
  parentPort?.on("message", (message: ToThread) => work(key, message));
});

function work(key: MasterKey, { id, task, target }: ToThread): void {
  const answer = (): Omit<FromThread, "id"> => {
    if ("pieces" in task) return { failures: decodeBlobs(key, task, target) };
    if ("part" in task) return { failures: readable(() => decodeFile(key, task, target)) };
    const whole = readable(() => inspectFile(key, task));
    return { failures: whole?.failures, ...(whole === undefined ? {} : { whole }) };
  };
  parentPort?.postMessage({ id, ...orUnwritten(answer) } satisfies FromThread);
}

/** An error of this kind is for whoever has the files open; any other ends the thread. */
function orUnwritten(work: () => Omit<FromThread, "id">): Omit<FromThread, "id"> {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof UnwrittenError)) throw error;
    return { failures: undefined, unwritten: error.facts };
  }
}

/** Undefined where the file cannot be read: the storage it belongs to says why, in its own words. */
function readable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return undefined;
  }
}
