/**
 * Repositories for tests, whose keys are cheap to open, which no key of a program is.
 *
 * @module
 */

import { type Clock, systemClock } from "../domain/clock.ts";
import type { ThisMachine } from "../domain/run-owner.ts";
import type { ScryptCost } from "../format/restic/keys.ts";
import type { Storage } from "../storage/storage.ts";
import { createRepository, isRepository, openRepository } from "../vault/repository/open-repository.ts";
import type { Repository } from "../vault/repository/repository.ts";
import { signal, TestMachine } from "./vault-probe.ts";

export const testPassword = "correct horse";

/** Milliseconds of work would add up to minutes. */
export const cheapCost: ScryptCost = { N: 16, r: 1, p: 1 };

/** Opens the repository in a storage; makes it if need be. */
export async function openTestRepository(
  storage: Storage,
  changes: { readonly machine?: ThisMachine; readonly clock?: Clock } = {},
): Promise<Repository> {
  const { machine = new TestMachine().process(1), clock = systemClock } = changes;
  const options = { storage, password: testPassword, machine, clock, toolVersion: "0.0.0-test" };
  if (await isRepository(storage, signal)) return await openRepository(options, signal);
  return await createRepository({ ...options, keyCost: cheapCost }, signal);
}
