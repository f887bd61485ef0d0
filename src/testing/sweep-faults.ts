/**
 * The fault sweep: a scenario is cut short at every storage call, in every way
 * that call can fail, and what is left must still hold (I1 to I3, I8).
 *
 * @module
 */

import type { Storage } from "../storage/storage.ts";
import { type Fault, FaultyStorage, faultModesOf, storageOperations } from "./faulty-storage.ts";

/** What one interruption left. */
export interface Wreck {
  /** The storage itself, without the fault. */
  readonly storage: Storage;
  readonly fault: Fault;
  /** What the scenario threw; undefined where it succeeded in spite of the fault. */
  readonly error: unknown;
}

export interface FaultSweep {
  /** A fresh storage each time, prepared as the scenario wants it; disposed after its check. */
  readonly open: () => Promise<Storage>;
  /** Runs against the storage as the program does. Nothing it started may go on after it ends. */
  readonly scenario: (storage: Storage) => Promise<void>;
  /** Throws where something does not hold, e.g. that every listed backup restores in full. */
  readonly check: (wreck: Wreck) => Promise<void>;
  /** Try only every so many-eth interruption, where all of them take long; odd, so that it meets every mode. */
  readonly every?: number;
  /** Further calls tried of each operation, where a scenario makes now more of them and now fewer. */
  readonly spare?: number;
}

export interface SweepResult {
  /** Interruptions that were tried and checked. */
  readonly tried: number;
  /** Faults whose call never came. Always 0 where a scenario makes the same calls each time; assert it. */
  readonly unreached: number;
}

/**
 * Runs the scenario once cleanly to count its storage calls, then once more for
 * every call, every mode of failure, and both for a single failure and for a
 * process that died there.
 *
 * @throws what the clean run throws; or an `Error` naming the fault, with what `check` threw as its cause
 */
export async function sweepFaults(sweep: FaultSweep): Promise<SweepResult> {
  let tried = 0;
  let unreached = 0;
  for (const fault of await planFaults(sweep)) {
    await using storage = await sweep.open();
    const faulty = new FaultyStorage(storage, fault);
    const error = await sweep.scenario(faulty).then(
      () => undefined,
      (thrown: unknown) => thrown ?? new Error("the scenario threw nothing"),
    );
    if (!faulty.fired) unreached++;
    await checkWreck(sweep, { storage, fault, error });
    tried++;
  }
  return { tried, unreached };
}

async function planFaults(sweep: FaultSweep): Promise<readonly Fault[]> {
  await using storage = await sweep.open();
  const clean = new FaultyStorage(storage);
  await sweep.scenario(clean);
  const faults: Fault[] = [];
  const { every = 1, spare = 0 } = sweep;
  for (const operation of storageOperations) {
    for (let nth = 1; nth <= clean.callsOf(operation) + spare; nth++) {
      for (const mode of faultModesOf(operation)) {
        for (const crash of [false, true]) faults.push({ operation, nth, mode, crash });
      }
    }
  }
  return faults.filter((_, i) => i % every === 0);
}

async function checkWreck(sweep: FaultSweep, wreck: Wreck): Promise<void> {
  try {
    await sweep.check(wreck);
  } catch (cause) {
    const { operation, nth, mode, crash } = wreck.fault;
    const where = `${mode} ${operation} call ${nth}${crash ? ", then the process died" : ""}`;
    throw new Error(`The check failed after a fault ${where}: ${String(cause)}`, { cause });
  }
}
