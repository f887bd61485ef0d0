/**
 * The maintenance of a repository that does nothing but answer as it is told, and
 * remembers what it was asked.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type {
  CheckOptions,
  CheckReport,
  KeyRing,
  Maintenance,
  PrunePlan,
  VaultKey,
} from "../vault/maintenance.ts";

/** Each call as `verb` or `verb argument`. */
export interface FakeMaintenance extends Maintenance {
  readonly calls: string[];
  readonly readData: CheckOptions["readData"][];
}

/** A plan with something to do. */
export const samplePrunePlan: PrunePlan = {
  backups: 12,
  packsKept: 1200,
  packsRepacked: 3,
  packsRemoved: 44,
  bytesUsed: 20_000_000_000,
  bytesUnused: 800_000_000,
  bytesRepacked: 48_000_000,
  bytesFreed: 750_000_000,
  bytesUnusedAfter: 50_000_000,
  recordsRemoved: 2,
};

/** A key of somebody. */
function sampleKey(id: string, changes: Partial<VaultKey> = {}): VaultKey {
  const createdAt = "2024-01-01T12:00:00.123456789+01:00";
  return { id, current: false, createdAt, username: "root", host: "app-1", ...changes };
}

/** @param changes What a check is to find */
export function fakeMaintenance(changes: { readonly check?: Partial<CheckReport> } = {}): FakeMaintenance {
  const calls: string[] = [];
  const readData: CheckOptions["readData"][] = [];
  const lock = { id: "1", atMs: 0, exclusive: false, host: "app-1", username: "root", pid: 17 };
  return {
    calls,
    readData,
    repositoryId: "ab".repeat(32),
    keys: fakeKeys(calls),
    async check(options) {
      readData.push(options.readData);
      const report = { damages: [], affected: [], checked: [], notes: [] };
      return { ok: true, ...report, packsRead: 0, packsTotal: 3, bytesRead: 0, ...changes.check };
    },
    async prune({ maxUnusedPercent, dryRun, confirm }) {
      calls.push(`prune ${maxUnusedPercent}`);
      const done = !dryRun && (await confirm(samplePrunePlan));
      return { plan: samplePrunePlan, done };
    },
    async locks() {
      return [lock];
    },
    async unlock({ all }) {
      calls.push(`unlock ${all}`);
      return all ? [lock] : [];
    },
    async repairIndex() {
      return { packsRead: 2, packsAdded: 1, packsGone: 0, unreadable: [] };
    },
    async repairBackups({ dryRun, confirm }) {
      const plan = { rewritten: ["one"], hopeless: [], forgotten: [], lost: [], packsRemoved: 0 };
      return { ...plan, done: !dryRun && (await confirm(plan)), dryRun };
    },
  };
}

function fakeKeys(calls: string[]): KeyRing {
  const keys = [
    sampleKey("abc1", { createdAt: "2024-02-01T00:00:00Z" }),
    sampleKey("abc2", { current: true }),
    sampleKey("def3", { createdAt: "2024-03-01T00:00:00Z" }),
  ];
  const added = async (password: string): Promise<string> => {
    calls.push(`password ${password}`);
    keys.push(sampleKey("new4", { createdAt: "2024-04-01T00:00:00Z" }));
    return "new4";
  };
  return {
    list: async () => [...keys],
    add: added,
    changePassword: added,
    async remove(id) {
      calls.push(`remove ${id}`);
      if (id === "abc2") throw new BackupError("unsafe", "Cannot remove key abc2: it is in use");
    },
  };
}
