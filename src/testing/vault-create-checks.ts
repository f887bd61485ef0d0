/**
 * The laws of a vault's `begin` and of what it gives: writing, listing, reading.
 *
 * @module
 */

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { backupTypes } from "../domain/backup.ts";
import {
  backUp,
  beginOptions,
  listedIds,
  makeFiles,
  makeImage,
  noonMs,
  noWait,
  readAllOf,
  rejectsWith,
  signal,
  summary,
  TestMachine,
  type VaultPlace,
  writeProbe,
} from "./vault-probe.ts";

/** One law of the interface. Throws if the vault breaks it. */
export interface VaultCheck {
  /** A sentence that begins with the method. */
  readonly name: string;
  readonly run: (place: VaultPlace) => Promise<void>;
}

const machine = new TestMachine().process(1);

export const vaultCreateChecks: readonly VaultCheck[] = [
  ...backupTypes.map((type) => ({
    name: `begin() makes a ${type} backup that is listed with what it was given`,
    run: async (place: VaultPlace) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type, tags: ["weekly"], safety: true });
      const [listed, ...more] = await vault.list(signal);
      assert.deepEqual(more, []);
      assert.deepEqual(listed, backup);
      assert.equal(backup.type, type);
      assert.equal(backup.source, "shop");
      assert.equal(backup.host, "probe");
      assert.equal(backup.state, "good");
      assert.equal(backup.stateReason, "");
      assert.equal(Date.parse(backup.startedAt), backup.startedAtMs);
      assert.deepEqual([backup.tags, backup.safety, backup.pinned], [["weekly"], true, false]);
      assert.equal(backup.databases.length, type === "storage" ? 0 : 1);
      assert.equal(backup.counts.files, type === "database" ? 0 : 3);
      assert.ok(backup.storedBytes > 0 && backup.sourceBytes > 0);
    },
  })),
  {
    name: "open() gives back every byte that was stored",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { image, content } = await makeImage(vault, place.folder);
      const entries = await makeFiles(place.folder, 1);
      const writer = await vault.begin(beginOptions(), signal);
      await writer.addDatabase(image, signal);
      await writer.settle(entries, signal);
      await writer.add(
        entries.map((entry) => ({ entry, settled: false })),
        signal,
      );
      const { id, databases } = await writer.finish(summary(), signal);
      const found = await readAllOf(vault, id);
      assert.equal(found.get("database app.db"), content.toString("hex"));
      assert.deepEqual(
        [...found.keys()].filter((key) => !key.startsWith("database")),
        entries.map((entry) => `files/${entry.path}`),
      );
      assert.equal(found.get("files/link"), "symlink sub/changing.bin");
      assert.equal(found.get("files/zero"), "");
      assert.equal(databases[0]?.journalMode, "wal");
      assert.equal(databases[0]?.mode, 0o640);
    },
  },
  {
    name: "open() lists entries in order with their attributes, and reads one of them by range",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "storage" });
      const entries = await makeFiles(place.folder, 1);
      await using reader = await vault.open(backup.id, signal);
      const stored = await Array.fromAsync(reader.entries(signal));
      assert.deepEqual(
        stored.map((entry) => [entry.path, entry.kind, entry.mode, entry.sizeBytes]),
        entries.map((entry) => [entry.path, entry.kind, entry.mode, entry.sizeBytes]),
      );
      const wanted = stored.find((entry) => entry.path === "sub/changing.bin");
      assert.ok(wanted !== undefined);
      const whole = Buffer.concat(await Array.fromAsync(reader.read(wanted, undefined, signal)));
      const part = Buffer.concat(
        await Array.fromAsync(reader.read(wanted, { offset: 7, length: 90 }, signal)),
      );
      assert.ok(part.equals(whole.subarray(7, 97)));
    },
  },
  {
    name: "entries() and contents() leave out nothing but what lies in folders that are not entered",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "storage" });
      await using reader = await vault.open(backup.id, signal);
      const inside = "sub/changing.bin";
      for (const [enters, kept] of [
        [({ path }: { path: string }) => path === "", ["", "kept.txt", "link", "sub", "zero"]],
        [() => false, [""]],
        [() => true, ["", "kept.txt", "link", "sub", inside, "zero"]],
      ] as const) {
        const entries = await Array.fromAsync(reader.entries(signal, enters), ({ path }) => path);
        const read: string[] = [];
        for await (const { entry } of reader.contents(() => true, signal, enters)) read.push(entry.path);
        assert.deepEqual(read, entries);
        for (const path of kept) assert.ok(entries.includes(path as (typeof entries)[number]), path);
      }
    },
  },
  {
    name: "open() keeps several databases apart, also those whose names differ by what a file name cannot hold",
    run: async (place) => {
      await using vault = await place.open(machine);
      const writer = await vault.begin(beginOptions({ type: "database" }), signal);
      const contents = new Map<string, Buffer>();
      for (const name of ["app.db", "a b.db", "a/b.db", "ünï.sqlite", "a_b"]) {
        const made = await makeImage(vault, place.folder, { version: contents.size });
        contents.set(name, made.content);
        await writer.addDatabase({ ...made.image, name }, signal);
      }
      const backup = await writer.finish(summary(), signal);
      assert.deepEqual(backup.databases.map((database) => database.name).sort(), [...contents.keys()].sort());
      const found = await readAllOf(vault, backup.id);
      for (const [name, content] of contents) {
        assert.equal(found.get(`database ${name}`), content.toString("hex"), name);
      }
    },
  },
  {
    name: "begin() shows nothing before finish()",
    run: async (place) => {
      await using vault = await place.open(machine);
      const before = await backUp(vault, place.folder);
      const writer = await vault.begin(
        beginOptions({ startedAtMs: beginOptions().startedAtMs + 5_000 }),
        signal,
      );
      await writeProbe(vault, writer, place.folder, { type: "full", version: 2 });
      assert.deepEqual(await listedIds(vault), [before.backup.id]);
      // Formats that name a backup at once must not open it before its end either.
      if (writer.id !== undefined) await rejectsWith(vault.open(writer.id, signal), "not-found");
      const { id } = await writer.finish(summary(), signal);
      if (writer.id !== undefined) assert.equal(writer.id, id);
      assert.deepEqual(await listedIds(vault), [id, before.backup.id]);
    },
  },
  {
    name: "abort() leaves nothing to see, may be called again, and does nothing after finish()",
    run: async (place) => {
      await using vault = await place.open(machine);
      const undone = await vault.begin(beginOptions(), signal);
      await writeProbe(vault, undone, place.folder, { type: "full", version: 1 });
      await undone.abort();
      await undone.abort();
      assert.deepEqual(await listedIds(vault), []);
      assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
      const done = await vault.begin(beginOptions(), signal);
      await writeProbe(vault, done, place.folder, { type: "full", version: 1 });
      const { id } = await done.finish(summary(), signal);
      await done.abort();
      assert.deepEqual(await listedIds(vault), [id]);
      assert.ok((await readAllOf(vault, id)).size > 0);
    },
  },
  {
    name: "begin() lets two runs of one instant make a backup each",
    run: async (place) => {
      await using one = await place.open(machine);
      await using two = await place.open(new TestMachine().process(2));
      const [a, b] = await Promise.all([
        one.begin(beginOptions(), signal),
        two.begin(beginOptions(), signal),
      ]);
      await writeProbe(one, a, place.folder, { type: "full", version: 1 });
      await writeProbe(two, b, place.folder, { type: "full", version: 2 });
      const made = await Promise.all([a.finish(summary(), signal), b.finish(summary(), signal)]);
      const [first, second] = made.map((backup) => backup.id);
      assert.ok(first !== undefined && second !== undefined && first !== second);
      assert.deepEqual([...(await listedIds(one))].sort(), [first, second].sort());
      assert.notDeepEqual(await readAllOf(one, first), await readAllOf(one, second));
    },
  },
  {
    name: "begin() gives a new backup a name of its own even where one of the same instant exists",
    run: async (place) => {
      await using vault = await place.open(machine);
      const first = await backUp(vault, place.folder, { type: "database" });
      const second = await backUp(vault, place.folder, { type: "full", version: 2 });
      assert.notEqual(first.backup.id, second.backup.id);
      assert.deepEqual(await readAllOf(vault, first.backup.id), first.content);
      assert.deepEqual(await readAllOf(vault, second.backup.id), second.content);
    },
  },
  {
    name: "settle() takes unchanged files from the parent, and the backup does without the parent",
    run: async (place) => {
      await using vault = await place.open(machine);
      await makeFiles(place.folder, 1);
      // A file that changed just now may change again within the same tick of the clock: no vault has to trust it.
      await setTimeout(200);
      const ids: string[] = [];
      for (const version of [1, 1, 2]) {
        const startedAtMs = noonMs + ids.length * 60_000;
        const options = { type: "storage", startedAtMs, version, parent: ids.at(-1) } as const;
        const { backup, content } = await backUp(vault, place.folder, options);
        ids.push(backup.id);
        const unchanged = ids.length === 2;
        if (unchanged) assert.ok(backup.counts.unchangedFiles >= 2, "files were taken from the parent");
        const older = ids.slice(0, -1);
        await vault.exclusively((remover) => remover.remove(older, signal), noWait, signal);
        assert.deepEqual(await readAllOf(vault, backup.id), content);
        assert.equal(content.size, 6);
      }
    },
  },
  {
    name: "begin() reads everything where the parent is missing",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { parent: "full_backup_20000101_000000" });
      assert.equal(backup.counts.unchangedFiles, 0);
      assert.equal(backup.state, "good");
    },
  },
  {
    name: "finish() says what state the backup is in, the worst first",
    run: async (place) => {
      await using vault = await place.open(machine);
      const unreadable = { kind: "unreadable", path: "files/x", message: "not permitted" } as const;
      const note = { kind: "vanished", path: "files/p", message: "it vanished" } as const;
      const bad = { method: "quick_check", ok: false, messages: ["page 3 is gone"] } as const;
      const cases = [
        { problems: [note], suspect: "", check: undefined, state: "good" },
        { problems: [unreadable], suspect: "", check: undefined, state: "incomplete" },
        { problems: [unreadable], suspect: "it shrank", check: undefined, state: "suspect" },
        { problems: [unreadable], suspect: "it shrank", check: bad, state: "damaged" },
      ] as const;
      for (const [i, { problems, suspect, check, state }] of cases.entries()) {
        const startedAtMs = noonMs + i * 1_000;
        const writer = await vault.begin(beginOptions({ type: "database", startedAtMs }), signal);
        const { image } = await makeImage(vault, place.folder, check === undefined ? {} : { check });
        await writer.addDatabase(image, signal);
        const backup = await writer.finish(
          summary({ problems, problemCount: 1, suspect: () => suspect }),
          signal,
        );
        assert.equal(backup.state, state);
        assert.equal(backup.stateReason === "", state === "good");
        assert.deepEqual(backup.problems, problems);
      }
      assert.deepEqual(
        (await vault.list(signal)).map((backup) => backup.state),
        cases.map((one) => one.state).reverse(),
      );
    },
  },
  {
    name: "finish() asks whether the backup is suspect with the counts and bytes it stored",
    run: async (place) => {
      await using vault = await place.open(machine);
      const writer = await vault.begin(beginOptions(), signal);
      await writeProbe(vault, writer, place.folder, { type: "full", version: 1 });
      let asked: readonly number[] = [];
      const suspect = (counts: { files: number; databases: number }, bytes: number): string => {
        asked = [counts.files, counts.databases, bytes];
        return "";
      };
      const backup = await writer.finish(summary({ suspect }), signal);
      assert.deepEqual(asked, [3, 1, backup.sourceBytes]);
    },
  },
  {
    name: "list() orders by the time in the metadata, newest first, whatever was made last",
    run: async (place) => {
      await using vault = await place.open(machine);
      const at = beginOptions().startedAtMs;
      for (const startedAtMs of [at, at + 3_600_000, at - 3_600_000]) {
        await backUp(vault, place.folder, { type: "database", startedAtMs });
      }
      const times = (await vault.list(signal)).map((backup) => backup.startedAtMs);
      assert.deepEqual(times, [at + 3_600_000, at, at - 3_600_000]);
    },
  },
  {
    name: "listNames() has a new name once a backup came, also of another run, and none where nothing did",
    run: async (place) => {
      await using vault = await place.open(machine);
      await using other = await place.open(machine);
      const at = beginOptions().startedAtMs;
      await backUp(vault, place.folder, { type: "database", startedAtMs: at });
      const before = await vault.listNames(signal);
      assert.deepEqual(await vault.listNames(signal), before);
      await backUp(other, place.folder, { type: "database", startedAtMs: at + 3_600_000 });
      const after = await vault.listNames(signal);
      assert.ok(before.size >= 1 && after.size > before.size && before.isSubsetOf(after));
      const [{ id, snapshotId = id } = assert.fail()] = await vault.list(signal);
      assert.ok(after.has(snapshotId));
    },
  },
  {
    name: "open() calls what is not there not-found, whatever the name is made of",
    run: async (place) => {
      await using vault = await place.open(machine);
      await backUp(vault, place.folder, { type: "database" });
      for (const id of [
        "db_backup_20010101_000000",
        "",
        "latest",
        "../../../etc/passwd",
        "full/../x",
        "\0",
      ]) {
        await rejectsWith(vault.open(id, signal), "not-found");
      }
    },
  },
  {
    name: "readDatabase() calls a database that is not in the backup not-found",
    run: async (place) => {
      await using vault = await place.open(machine);
      const { backup } = await backUp(vault, place.folder, { type: "database" });
      await using reader = await vault.open(backup.id, signal);
      await rejectsWith(Array.fromAsync(reader.readDatabase("other.db", signal)), "not-found");
    },
  },
  {
    name: "begin() and list() stop with the abort itself",
    run: async (place) => {
      await using vault = await place.open(machine);
      const aborted = AbortSignal.abort();
      await assert.rejects(vault.begin(beginOptions(), aborted), { name: "AbortError" });
      await assert.rejects(vault.list(aborted), { name: "AbortError" });
      assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
    },
  },
];
