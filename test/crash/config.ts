/**
 * The configuration the crash run's processes share.
 *
 * @module
 */

import { join } from "node:path";
import type { ManagerConfiguration } from "../../src/app/configuration.ts";
import type { VaultFormat } from "../../src/vault/vault.ts";

/** One of the vaults of a run. */
export interface CrashVault {
  /** Its folder in the sandbox. */
  readonly name: string;
  readonly format: VaultFormat;
  /** Of a repository. */
  readonly password: string;
}

/** What one killed process is told to do. */
export interface VictimJob {
  readonly sandbox: string;
  readonly verb: Verb;
  readonly vault: CrashVault;
  /** The backup that is restored. */
  readonly reference: string;
  /** Where `copy` copies from or to. */
  readonly other: CrashVault;
  readonly newPassword: string;
}

export type Verb = "create" | "rotate" | "restore" | "prune" | "passwd" | "copy in" | "copy out";

/** A run that waits longer for a lock waits for one whose owner was killed. */
const lockWaitMs = 20_000;

export function crashConfig(sandbox: string, vault: CrashVault): ManagerConfiguration {
  return {
    vault: join(sandbox, vault.name),
    format: vault.format,
    ...(vault.format === "repository" ? { password: vault.password } : {}),
    state: join(sandbox, "state"),
    lockWaitMs,
    sources: [
      {
        name: "app",
        databases: [join(sandbox, "app", "app.db")],
        storage: [join(sandbox, "app", "uploads")],
      },
    ],
  };
}
