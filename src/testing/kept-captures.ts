/**
 * Imported for its effect: all capturers of this process share capture processes that stay when a capturer
 * is disposed of and end with the tests. For tests that open many managers or run many commands and are not
 * about capture processes, whose start would be most of their time.
 *
 * @module
 */

import { CapturePool } from "../source/capture/capture-pool.ts";

/** More than any test has at work at once, so that nobody waits for another's. */
const processesMax = 16;

const shared = new CapturePool(processesMax);
const { prepare, take, giveBack } = CapturePool.prototype;

CapturePool.prototype.prepare = () => prepare.call(shared);
CapturePool.prototype.take = (signal) => take.call(shared, signal);
CapturePool.prototype.giveBack = (process) => giveBack.call(shared, process);
CapturePool.prototype[Symbol.asyncDispose] = async () => undefined;
