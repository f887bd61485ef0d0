/**
 * A thread that makes gzip members with our own deflate; see `deflate-threads.ts`.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import { DeflateKernel, type DeflateModule } from "./deflate-kernel.ts";
import type { DeflateAnswer, ToDeflateWorker } from "./deflate-threads.ts";
import { deflateMemberWith, storeMember } from "./gzip-member.ts";
import { assertInflates } from "./inflate-check.ts";

/** Of so many members one is inflated and compared: 2 % of the time, to notice a machine or compiler that does not do what it should. */
const checkInterval = 64;

const kernel = new DeflateKernel(workerData as DeflateModule);
let made = 0;

// A failure ends the thread, which its pool hears.
parentPort?.on("message", (message: ToDeflateWorker) => {
  if (message === "end") {
    parentPort?.close();
    return;
  }
  const { raw, rawBytes, target, method } = message;
  const bytes = new Uint8Array(raw, 0, rawBytes);
  const member =
    method === "store"
      ? storeMember(bytes, Buffer.from(target))
      : deflateMemberWith(kernel, bytes, Buffer.from(target));
  if (method === "deflate" && made++ % checkInterval === 0) assertInflates(member.bytes, bytes);
  const answer: DeflateAnswer = { raw, target, memberBytes: member.bytes.length, crc32: member.crc32 };
  parentPort?.postMessage(answer, [raw, target]);
});
