/**
 * Private folders for the copies of one run. Their names say who made them, so that
 * what a killed run left behind is removed by a later one and nothing else is (I8).
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { stateOfUnfinished, unfinishedName } from "../domain/run-owner.ts";
import type { OperationContext } from "./context.ts";

export interface Scratch extends AsyncDisposable {
  /** Absolute, mode 0700, empty. Gone after disposal. */
  readonly directory: string;
}

type ScratchContext = Pick<OperationContext, "scratchDirectory" | "machine">;

/** Makes a folder for one run. */
export async function openScratch(context: ScratchContext): Promise<Scratch> {
  const directory = join(context.scratchDirectory, uniqueName(context));
  await mkdir(directory, { mode: 0o700 });
  return {
    directory,
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A name for an unfinished file of this process that no other one has. */
export function uniqueName(context: Pick<OperationContext, "machine">): string {
  return unfinishedName(context.machine.owner, randomUUID().replaceAll("-", ""));
}

/** Removes the folders of runs that provably ended without doing so themselves. */
export async function cleanScratch(context: ScratchContext): Promise<void> {
  for (const name of await readdir(context.scratchDirectory)) {
    if (stateOfUnfinished(name, context.machine) !== "gone") continue;
    await rm(join(context.scratchDirectory, name), { recursive: true, force: true });
  }
}
