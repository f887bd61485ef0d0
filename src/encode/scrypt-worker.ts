/**
 * A thread that mixes lanes of one scrypt; see `scrypt-threads.ts`. A failure ends it, which
 * whoever started it hears.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import { mixLanes } from "./scrypt-kernel.ts";
import type { LaneWork } from "./scrypt-threads.ts";

const { lanes, N, r } = workerData as LaneWork;
mixLanes(lanes, { N, r });
parentPort?.postMessage(lanes);
