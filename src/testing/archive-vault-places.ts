/**
 * Places for archive vaults: in memory, and in a real folder.
 *
 * @module
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../domain/clock.ts";
import type { ThisMachine } from "../domain/run-owner.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";
import type { Vault } from "../vault/vault.ts";
import { signal, type VaultPlace } from "./vault-probe.ts";

/** Opens an archive vault over any storage, as the process that `machine` describes. */
export function openTestVault(storage: Storage, machine: ThisMachine, create = true): Promise<Vault> {
  return openArchiveVault(
    { storage, machine, create, clock: systemClock, toolVersion: "0.0.0-test" },
    signal,
  );
}

export async function openMemoryPlace(storage: Storage = new MemoryStorage()): Promise<VaultPlace> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-vault-"));
  return {
    folder,
    open: (machine) => openTestVault(storage, machine),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** `vault` is the vault's folder. */
export async function openLocalPlace(): Promise<VaultPlace & { readonly vault: string }> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-vault-"));
  const vault = join(folder, "vault");
  return {
    folder,
    vault,
    open: async (machine) => openTestVault(await openLocalStorage(vault, { create: true, machine }), machine),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
