/**
 * The laws of a vault that several runs share: locks, removal, cleaning, records,
 * verification.
 *
 * @module
 */

import assert from "node:assert/strict";
import { isoWithOffset } from "../domain/clock.ts";
import type { RecordKind, Vault, VaultRecord } from "../vault/vault.ts";
import type { VaultCheck } from "./vault-create-checks.ts";
import {
  backUp,
  beginOptions,
  listedIds,
  noonMs,
  noWait,
  readAllOf,
  rejectsWith,
  signal,
  summary,
  TestMachine,
  verifyOptions,
  writeProbe,
} from "./vault-probe.ts";

const machine = new TestMachine().process(1);

function record(kind: RecordKind, backupId: string | undefined, atMs: number): Omit<VaultRecord, "id"> {
  const about = backupId === undefined ? {} : { backupId };
  return { kind, ...about, at: isoWithOffset(atMs), host: "probe", message: `because of ${kind}` };
}

async function removeOne(vault: Vault, id: string): Promise<void> {
  await vault.exclusively((remover) => remover.remove([id], signal), noWait, signal);
}

export const vaultSharedChecks: readonly VaultCheck[] = [
  {
    name: "remove() removes what it is told and nothing else, and may be told again",
    run: async (place) => {
      await using vault = await place.open(machine);
      const kept = await backUp(vault, place.folder, { version: 1 });
      const gone = await backUp(vault, place.folder, { version: 2, startedAtMs: noonMs + 1_000 });
      const alsoKept = await backUp(vault, place.folder, { version: 3, startedAtMs: noonMs + 2_000 });
      await removeOne(vault, gone.backup.id);
      await removeOne(vault, gone.backup.id);
      assert.deepEqual(await listedIds(vault), [alsoKept.backup.id, kept.backup.id]);
      await rejectsWith(vault.open(gone.backup.id, signal), "not-found");
      assert.deepEqual(await readAllOf(vault, kept.backup.id), kept.content);
      assert.deepEqual(await readAllOf(vault, alsoKept.backup.id), alsoKept.content);
    },
  },
  {
    name: "exclusively() gives what its work gives, and lets go when it throws",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "database" });
      const seen = await vault.exclusively((remover) => remover.list(signal), noWait, signal);
      assert.deepEqual(
        seen.map((one) => one.id),
        [backup.id],
      );
      const failing = vault.exclusively(() => Promise.reject(new Error("mine")), noWait, signal);
      await assert.rejects(failing, /mine/);
      await vault.exclusively(async () => undefined, noWait, signal);
    },
  },
  {
    name: "exclusively() does not go on beside a run that makes a backup, nor beside a hold",
    run: async (place) => {
      await using vault = await place.open(machine);
      await using other = await place.open(new TestMachine().process(2));
      const writer = await vault.begin(beginOptions({ type: "database" }), signal);
      await rejectsWith(
        other.exclusively(async () => undefined, noWait, signal),
        "locked",
      );
      await writer.abort();
      {
        await using _ = await vault.hold(signal);
        await rejectsWith(
          other.exclusively(async () => undefined, noWait, signal),
          "locked",
        );
      }
      await other.exclusively(async () => undefined, noWait, signal);
    },
  },
  {
    name: "begin() does not go on beside a removal, and waits for its end",
    run: async (place) => {
      await using vault = await place.open(machine);
      await using other = await place.open(new TestMachine().process(2));
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      let entered = (): void => undefined;
      const inside = new Promise<void>((resolve) => {
        entered = resolve;
      });
      const removal = vault.exclusively(
        async () => {
          entered();
          await held;
        },
        noWait,
        signal,
      );
      await inside;
      await rejectsWith(other.begin(beginOptions(), signal), "locked");
      await rejectsWith(
        other.exclusively(async () => undefined, noWait, signal),
        "locked",
      );
      const patient = other.begin(beginOptions({ lockWaitMs: 600_000 }), signal);
      release();
      await removal;
      await (await patient).abort();
    },
  },
  {
    name: "exclusively() passes over the lock of a process that is gone, two at once one after the other",
    run: async (place) => {
      const machines = new TestMachine();
      await using dead = await place.open(machines.process(666));
      await dead.hold(signal);
      machines.kill(666);
      await using one = await place.open(machines.process(1));
      await using two = await place.open(machines.process(2));
      let inside = 0;
      let most = 0;
      const work = async (): Promise<void> => {
        inside++;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside--;
      };
      const patience = { ...noWait, lockWaitMs: 600_000 };
      await Promise.all([one.exclusively(work, patience, signal), two.exclusively(work, patience, signal)]);
      assert.equal(most, 1);
    },
  },
  {
    name: "clean() removes what a run left that is gone, and nothing of one that may be alive",
    run: async (place) => {
      const machines = new TestMachine();
      await using vault = await place.open(machines.process(1));
      const kept = await backUp(vault, place.folder);
      await using dead = await place.open(machines.process(666));
      const writer = await dead.begin(beginOptions({ startedAtMs: noonMs + 1_000 }), signal);
      await writeProbe(dead, writer, place.folder, { type: "full", version: 2 });
      assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
      machines.kill(666);
      const report = await vault.clean(signal);
      assert.equal(report.locksBroken, 1);
      assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
      // The process is not really gone: what it holds open is let go, and that harms nobody either.
      await writer.abort();
      assert.deepEqual(await listedIds(vault), [kept.backup.id]);
      assert.deepEqual(await readAllOf(vault, kept.backup.id), kept.content);
    },
  },
  {
    name: "records keep what was added until it is removed",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "database" });
      await vault.records.add(record("pinned", backup.id, noonMs), signal);
      await vault.records.add(record("failed", undefined, noonMs + 1), signal);
      const [pin, failure, ...more] = await vault.records.list(signal);
      assert.deepEqual(more, []);
      assert.deepEqual({ ...pin, id: "" }, { ...record("pinned", backup.id, noonMs), id: "" });
      assert.deepEqual({ ...failure, id: "" }, { ...record("failed", undefined, noonMs + 1), id: "" });
      assert.deepEqual(await vault.records.list(signal, { backupId: backup.id }), [pin]);
      assert.deepEqual(await vault.records.list(signal, { kind: "failed" }), [failure]);
      assert.deepEqual(await vault.records.list(signal, { kind: "failed", backupId: backup.id }), []);
      assert.deepEqual(
        (await vault.list(signal)).map((one) => one.pinned),
        [true],
      );
      await vault.records.remove(pin === undefined ? [] : [pin], signal);
      assert.equal((await vault.records.list(signal)).length, 1);
      assert.deepEqual(
        (await vault.list(signal)).map((one) => one.pinned),
        [false],
      );
    },
  },
  {
    name: "list() takes a suspect backup that was confirmed for good, and says so",
    run: async (place) => {
      await using vault = await place.open(machine);
      const writer = await vault.begin(beginOptions({ type: "database" }), signal);
      await writeProbe(vault, writer, place.folder, { type: "database", version: 1 });
      const backup = await writer.finish(summary({ suspect: () => "it shrank" }), signal);
      assert.equal((await vault.list(signal))[0]?.state, "suspect");
      await vault.records.add(record("confirmed", backup.id, noonMs), signal);
      const [listed] = await vault.list(signal);
      assert.equal(listed?.state, "good");
      assert.match(listed?.stateReason ?? "", /confirmed .*it shrank/);
    },
  },
  {
    name: "list() takes the word of the last verification, and only of the last",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "database" });
      await vault.records.add(record("verified", backup.id, noonMs + 1_000), signal);
      const [verified] = await vault.list(signal);
      assert.equal(verified?.state, "good");
      assert.equal(Date.parse(verified?.verifiedAt ?? ""), noonMs + 1_000);
      await vault.records.add(record("damaged", backup.id, noonMs + 2_000), signal);
      const [damaged] = await vault.list(signal);
      assert.deepEqual([damaged?.state, damaged?.stateReason], ["damaged", "because of damaged"]);
      await vault.records.add(record("verified", backup.id, noonMs + 3_000), signal);
      assert.equal((await vault.list(signal))[0]?.state, "good");
    },
  },
  {
    name: "remove() takes a backup's records with it, and no others",
    run: async (place) => {
      await using vault = await place.open(machine);
      const gone = await backUp(vault, place.folder, { type: "database" });
      const kept = await backUp(vault, place.folder, { type: "database", startedAtMs: noonMs + 1_000 });
      for (const { backup } of [gone, kept])
        await vault.records.add(record("verified", backup.id, noonMs), signal);
      await removeOne(vault, gone.backup.id);
      const left = await vault.records.list(signal);
      assert.deepEqual(
        left.map((one) => one.backupId),
        [kept.backup.id],
      );
    },
  },
  {
    name: "verify() finds nothing wrong with a good backup, at either depth",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder);
      for (const depth of ["stored", "content"] as const) {
        const report = await vault.verify(backup.id, verifyOptions(place.folder, { depth }), signal);
        assert.deepEqual([report.ok, report.damages, report.unverified], [true, [], false]);
        assert.equal(report.databasesChecked, depth === "content" ? 1 : 0);
        assert.ok(report.bytesRead > 0);
        if (depth === "content") assert.ok(report.entriesChecked >= 3);
      }
    },
  },
  {
    name: "verify() reports what the check of a database says",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "database" });
      const checkDatabase = async (): Promise<string[]> => ["page 3 is never used"];
      const report = await vault.verify(backup.id, verifyOptions(place.folder, { checkDatabase }), signal);
      assert.equal(report.ok, false);
      assert.deepEqual(
        report.damages.map((damage) => damage.message),
        ["page 3 is never used"],
      );
    },
  },
  {
    name: "verify() calls a backup that is not there not-found",
    run: async (place) => {
      await using vault = await place.open(machine);
      await backUp(vault, place.folder, { type: "database" });
      const report = vault.verify("db_backup_20010101_000000", verifyOptions(place.folder), signal);
      await rejectsWith(report, "not-found");
    },
  },
];
