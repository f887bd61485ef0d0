/**
 * The verbs of {@link VaultMaintenance}, each loaded when it is first called, as those
 * of `verbs.ts`.
 *
 * @module
 */

import type * as maintaining from "./maintain.ts";
import type * as keys from "./vault-keys.ts";
import { lazy } from "./verbs.ts";

export const describeNewVault: typeof maintaining.describeNewVault = lazy(
  async () => (await import("./maintain.ts")).describeNewVault,
);
export const pruneVault: typeof maintaining.pruneVault = lazy(
  async () => (await import("./maintain.ts")).pruneVault,
);
export const unlockVault: typeof maintaining.unlockVault = lazy(
  async () => (await import("./maintain.ts")).unlockVault,
);
export const repairIndex: typeof maintaining.repairIndex = lazy(
  async () => (await import("./maintain.ts")).repairIndex,
);
export const repairBackups: typeof maintaining.repairBackups = lazy(
  async () => (await import("./maintain.ts")).repairBackups,
);
export const gatherRecoveryFacts: typeof maintaining.gatherRecoveryFacts = lazy(
  async () => (await import("./maintain.ts")).gatherRecoveryFacts,
);
export const listKeys: typeof keys.listKeys = lazy(async () => (await import("./vault-keys.ts")).listKeys);
export const addKey: typeof keys.addKey = lazy(async () => (await import("./vault-keys.ts")).addKey);
export const removeKey: typeof keys.removeKey = lazy(async () => (await import("./vault-keys.ts")).removeKey);
export const changePassword: typeof keys.changePassword = lazy(
  async () => (await import("./vault-keys.ts")).changePassword,
);
