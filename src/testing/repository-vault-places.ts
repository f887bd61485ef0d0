/**
 * Places for repository vaults: in memory, and in a real folder. Their keys are cheap
 * to open, which no key of a program is.
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
import { openRepositoryVault } from "../vault/repository/repository-vault.ts";
import type { Vault } from "../vault/vault.ts";
import { cheapCost, testPassword } from "./test-repository.ts";
import { signal, type VaultPlace } from "./vault-probe.ts";

/** Opens a repository vault over any storage, as the process that `machine` describes; makes it if need be. */
export function openTestRepositoryVault(
  storage: Storage,
  machine: ThisMachine,
  create = true,
): Promise<Vault> {
  const password = async (): Promise<string> => testPassword;
  const toolVersion = "0.0.0-test";
  return openRepositoryVault(
    { storage, password, machine, create, clock: systemClock, toolVersion, keyCost: cheapCost },
    signal,
  );
}

export async function openMemoryRepositoryPlace(storage: Storage = new MemoryStorage()): Promise<VaultPlace> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-vault-"));
  return {
    folder,
    open: (machine) => openTestRepositoryVault(storage, machine),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** `vault` is the vault's folder. */
export async function openLocalRepositoryPlace(): Promise<VaultPlace & { readonly vault: string }> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-vault-"));
  const vault = join(folder, "vault");
  return {
    folder,
    vault,
    open: async (machine) =>
      openTestRepositoryVault(await openLocalStorage(vault, { create: true, machine }), machine),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
