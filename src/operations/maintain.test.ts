import assert from "node:assert/strict";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { type ErrorKind, isBackupError } from "../domain/error.ts";
import { silentObserver } from "../domain/progress.ts";
import { fakeMaintenance, samplePrunePlan } from "../testing/fake-maintenance.ts";
import { createLiveApp } from "../testing/live-app.ts";
import { openLiveContext } from "../testing/live-context.ts";
import { signal } from "../testing/vault-probe.ts";
import type { Maintenance } from "../vault/maintenance.ts";
import { backUp } from "./back-up.ts";
import type { OperationContext } from "./context.ts";
import {
  describeNewVault,
  gatherRecoveryFacts,
  pruneVault,
  repairBackups,
  repairIndex,
  unlockVault,
} from "./maintain.ts";
import { rotateBackups } from "./rotate.ts";
import { addKey, changePassword, listKeys, removeKey } from "./vault-keys.ts";
import { verifyBackup } from "./verify.ts";

const run = { signal, observer: silentObserver };

/** The context of an archive vault, whose vault claims to be a repository. */
function asRepository(context: OperationContext, maintenance: Maintenance): OperationContext {
  const vault = new Proxy(context.vault, {
    get(target, name) {
      if (name === "maintenance") return maintenance;
      if (name === "format") return "repository";
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { ...context, vault };
}

async function rejects(work: Promise<unknown>, kind: ErrorKind, hint = /./): Promise<void> {
  await assert.rejects(work, (error) => isBackupError(error, kind) && hint.test(error.hint ?? ""));
}

test("what only repositories need is refused on an archive vault, with what serves instead", async () => {
  await using app = createLiveApp();
  const context = await openLiveContext(app);
  await using _vault = context.vault;
  await rejects(listKeys(context, run), "unsupported", /not encrypted/);
  await rejects(addKey(context, { ...run, password: "x" }), "unsupported", /not encrypted/);
  await rejects(pruneVault(context, run), "unsupported", /rotate/);
  await rejects(rotateBackups(context, { ...run, prune: true }), "unsupported", /rotate/);
  await rejects(unlockVault(context, run), "unsupported", /by itself/);
  await rejects(repairIndex(context, run), "unsupported", /verify/);
  await rejects(repairBackups(context, run), "unsupported", /verify/);
  await rejects(gatherRecoveryFacts(context, run), "unsupported", /show/);
  await rejects(verifyBackup(context, { ...run, readData: { percent: 5 } }), "unsupported", /--all/);
  assert.deepEqual(await describeNewVault(context, run), {
    vault: context.vault.location,
    format: "archive",
  });
});

test("keys are listed oldest first and named by the beginning of their id", async () => {
  await using app = createLiveApp();
  const archive = await openLiveContext(app);
  await using _vault = archive.vault;
  const maintenance = fakeMaintenance();
  const context = asRepository(archive, maintenance);
  assert.deepEqual(
    (await listKeys(context, run)).map(({ id }) => id),
    ["abc2", "abc1", "def3"],
  );
  assert.equal((await removeKey(context, { ...run, key: "d" })).id, "def3");
  await rejects(removeKey(context, { ...run, key: "abc" }), "invalid-input");
  await rejects(removeKey(context, { ...run, key: "abc2" }), "unsafe", /^/);
  await rejects(removeKey(context, { ...run, key: "x" }), "not-found");
  await rejects(removeKey(context, { ...run, key: "" }), "not-found");
  assert.equal((await addKey(context, { ...run, password: "two" })).id, "new4");
  await rejects(addKey(context, { ...run, password: "" }), "invalid-input");
  await rejects(changePassword(context, { ...run, password: "" }), "invalid-input");
  assert.deepEqual(maintenance.calls, ["remove def3", "remove abc2", "password two"]);
  const made = await describeNewVault(context, run);
  assert.deepEqual([made.format, made.keyId, made.repositoryId?.length], ["repository", "abc2", 64]);
});

test("prune leaves 5 percent unless told otherwise, asks with the plan, and changes nothing on a no", async () => {
  await using app = createLiveApp();
  const archive = await openLiveContext(app);
  await using _vault = archive.vault;
  const maintenance = fakeMaintenance();
  const context = asRepository(archive, maintenance);
  assert.deepEqual(await pruneVault(context, run), { plan: samplePrunePlan, done: true, dryRun: false });
  const plans: unknown[] = [];
  const confirm = async (plan: unknown): Promise<boolean> => {
    plans.push(plan);
    return false;
  };
  assert.equal((await pruneVault(context, { ...run, maxUnusedPercent: 0, confirm })).done, false);
  assert.equal((await pruneVault(context, { ...run, dryRun: true, confirm })).done, false);
  assert.deepEqual(plans, [samplePrunePlan]);
  await rejects(pruneVault(context, { ...run, maxUnusedPercent: -1 }), "invalid-input");
  await rejects(pruneVault(context, { ...run, maxUnusedBytes: -1 }), "invalid-input");
  await rejects(pruneVault(context, { ...run, maxUnusedPercent: Number.NaN }), "invalid-input");
  assert.deepEqual(maintenance.calls, ["prune 5", "prune 0", "prune 5"]);
});

test("unlock says which locks are gone and which stay", async () => {
  await using app = createLiveApp();
  const archive = await openLiveContext(app);
  await using _vault = archive.vault;
  const context = asRepository(archive, fakeMaintenance());
  const some = await unlockVault(context, run);
  assert.deepEqual([some.removed.length, some.remaining.length], [0, 1]);
  assert.equal((await unlockVault(context, { ...run, all: true })).removed.length, 1);
});

test("rotation of a repository frees nothing before a prune, and prunes on demand", async () => {
  await using app = createLiveApp();
  const archive = await openLiveContext(app);
  await using _vault = archive.vault;
  const source = archive.sources[0]!;
  for (let i = 0; i < 2; i++) {
    await backUp(archive, { ...run, source: source.name, type: "database", rotate: false });
  }
  const rules = { last: 1 };
  const plain = await rotateBackups(archive, { ...run, rules, dryRun: true });
  assert.ok(plain.freedBytes > 0 && !plain.awaitsPrune);
  const maintenance = fakeMaintenance();
  const context = asRepository(archive, maintenance);
  const planned = await rotateBackups(context, { ...run, rules, dryRun: true, prune: true });
  assert.deepEqual([planned.removed.length, planned.freedBytes, planned.awaitsPrune], [1, 0, true]);
  assert.equal(planned.pruned, undefined);
  const done = await rotateBackups(context, { ...run, rules, prune: true });
  assert.deepEqual([done.removed.length, done.pruned?.done], [1, true]);
  assert.deepEqual(maintenance.calls, ["prune 5"]);
});

test("all backups of a repository are verified by one check; only what was read in full counts as verified", async () => {
  await using app = createLiveApp();
  const archive = await openLiveContext(app);
  await using _vault = archive.vault;
  const { backup: made } = await backUp(archive, { ...run, rotate: false });
  const { id } = made;
  const clean = fakeMaintenance({ check: { checked: [id] } });
  const context = asRepository(archive, clean);
  const stateOf = async (): Promise<unknown> => {
    const [backup] = await archive.vault.list(signal);
    return [backup?.state, backup?.verifiedAt !== undefined];
  };
  const structure = await verifyBackup(context, run);
  assert.deepEqual([structure.ok, structure.reports.length, structure.repository?.packsTotal], [true, 1, 3]);
  assert.deepEqual(await stateOf(), ["good", false]);

  const damages = [{ object: "data/ab/abcd", message: "the pack is missing" }];
  const broken = fakeMaintenance({ check: { ok: false, checked: [id], affected: [id], damages } });
  const found = await verifyBackup(asRepository(archive, broken), { ...run, readData: { part: 1, of: 5 } });
  assert.deepEqual([found.ok, found.reports[0]?.ok, found.repository?.damages], [false, false, damages]);
  assert.equal(((await stateOf()) as unknown[])[0], "damaged");

  // A sound structure is no proof against that.
  await verifyBackup(context, { ...run, depth: "stored" });
  assert.equal(((await stateOf()) as unknown[])[0], "damaged");
  await verifyBackup(context, { ...run, depth: "content" });
  assert.deepEqual(await stateOf(), ["good", true]);
  await verifyBackup(context, { ...run, readData: "all" });
  assert.deepEqual(clean.readData, ["none", "none", "all", "all"]);
  assert.equal((await archive.vault.records.list(signal)).length, 1);

  // One backup by name, or those of one source, are read by themselves.
  const one = await verifyBackup(context, { ...run, backup: id });
  assert.ok(one.repository === undefined && one.reports[0]!.bytesRead > 0);
  assert.equal((await verifyBackup(context, { ...run, source: made.source })).repository, undefined);
  await rejects(verifyBackup(context, { ...run, backup: id, readData: "all" }), "invalid-input");
});

test("the facts of a recovery kit name apps and types, but no safety backup, and where the password is", async () => {
  await using app = createLiveApp();
  const archive = await openLiveContext(app);
  await using _vault = archive.vault;
  for (const type of ["database", "full", "database"] as const) {
    await backUp(archive, { ...run, type, rotate: false });
  }
  const facts = await gatherRecoveryFacts(asRepository(archive, fakeMaintenance()), run);
  assert.deepEqual(facts.newest, [
    { source: "shop", type: "database" },
    { source: "shop", type: "full" },
  ]);
  assert.deepEqual(
    [facts.passwordPlace, facts.keys.length, facts.vault],
    ["nowhere", 3, archive.vault.location],
  );
});
