/**
 * Stands in where there is no vault, for what can be done without one: restoring a
 * file that lies elsewhere, and taking such a restore back. It cannot be written
 * to, and whoever asks it for a backup is told that there is none.
 *
 * @module
 */

import type { BackupError } from "../domain/error.ts";
import type { Vault } from "./vault.ts";

/**
 * @param location Where the vault would be
 * @param reason What opening it failed with; everything that needs a vault fails with it as well
 */
export function absentVault(location: string, reason: BackupError): Vault {
  const refuse = (): Promise<never> => Promise.reject(reason);
  return {
    format: "archive",
    location,
    stagingDirectory: undefined,
    readOnly: true,
    records: { add: refuse, list: refuse, remove: refuse },
    begin: refuse,
    list: refuse,
    listNames: refuse,
    open: refuse,
    verify: refuse,
    exclusively: refuse,
    // As of every vault that is read-only.
    hold: () => Promise.resolve({ async [Symbol.asyncDispose]() {} }),
    clean: () => Promise.resolve({ objectsRemoved: 0, locksBroken: 0 }),
    flaw: () => Promise.resolve(""),
    freeBytes: () => Promise.resolve(undefined),
    async [Symbol.asyncDispose]() {},
  };
}
