/**
 * The repositories of a crash run: their keys are cheap to open, because every process
 * of the run opens one; and what restic says of them in the end.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Vault } from "../../src/vault/vault.ts";

/** Milliseconds instead of the second that real ones take. */
const keyCost = { N: 1024, r: 8, p: 1 };

/**
 * Opens a repository vault past the composition root, which knows no cheap keys.
 *
 * @param library The program's entry; its modules lie beside it
 */
export async function openCheapVault(
  folder: string,
  password: string,
  create: boolean,
  library: string,
): Promise<Vault> {
  const load = (name: string): Promise<unknown> =>
    import(new URL(`${name}${extname(library)}`, pathToFileURL(library)).href);
  const { systemClock } = (await load("domain/clock")) as typeof import("../../src/domain/clock.ts");
  const { openLocalStorage } = (await load(
    "storage/local-storage",
  )) as typeof import("../../src/storage/local-storage.ts");
  const { readThisMachine } = (await load(
    "storage/this-machine",
  )) as typeof import("../../src/storage/this-machine.ts");
  const { openRepositoryVault } = (await load(
    "vault/repository/repository-vault",
  )) as typeof import("../../src/vault/repository/repository-vault.ts");
  const machine = readThisMachine();
  const storage = await openLocalStorage(folder, { create, machine });
  return await openRepositoryVault(
    {
      ...{ storage, machine, create, keyCost },
      password: async () => password,
      clock: systemClock,
      toolVersion: "crash",
    },
    new AbortController().signal,
  );
}

/** What `restic check --read-data` finds wrong: empty where nothing is; undefined where there is no restic. */
export function checkWithRestic(folder: string, password: string): string | undefined {
  const env = { ...process.env, RESTIC_REPOSITORY: folder, RESTIC_PASSWORD: password };
  const { error, status, stdout, stderr } = spawnSync("restic", ["check", "--read-data", "--no-cache"], {
    env,
    encoding: "utf8",
  });
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
  return status === 0 ? "" : `restic check of ${folder}: ${stdout}${stderr}`;
}
