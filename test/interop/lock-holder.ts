/**
 * A process that takes an exclusive lock, says so, and holds it until it is killed.
 *
 * @module
 */

import { systemClock } from "../../src/domain/clock.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import { openLocalStorage } from "../../src/storage/local-storage.ts";
import { readThisMachine } from "../../src/storage/this-machine.ts";
import { acquireLock } from "../../src/vault/repository/locks/acquire-lock.ts";
import { openRepository } from "../../src/vault/repository/open-repository.ts";

const [, , place = "", password = ""] = process.argv;
const { signal } = new AbortController();
const machine = readThisMachine();
const storage = await openLocalStorage(place, { create: false, machine });
const options = { storage, machine, password, clock: systemClock, toolVersion: "0.0.0-test" };
const repo = await openRepository(options, signal);
await acquireLock(repo, { exclusive: true, lockWaitMs: 0, observer: silentObserver }, signal);
process.stdout.write("held\n");
setInterval(() => undefined, 60_000);
