import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/domain/clock.ts";
import { isBackupError } from "../../src/domain/error.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import type { ThisMachine } from "../../src/domain/run-owner.ts";
import { openLocalStorage } from "../../src/storage/local-storage.ts";
import { describeEntry, readEverything, signal, summary } from "../../src/testing/vault-probe.ts";
import { openRepositoryVault } from "../../src/vault/repository/repository-vault.ts";
import type { LockOptions, Vault } from "../../src/vault/vault.ts";
import { ResticPlace, resultOf } from "./restic.ts";

/** Content of each file by path, hashed. */
type Content = ReadonlyMap<string, string>;

const patient: LockOptions = { lockWaitMs: 1_800_000, observer: silentObserver };
const impatient: LockOptions = { lockWaitMs: 0, observer: silentObserver };
const pruneAll = { maxUnusedPercent: 0, dryRun: false, confirm: async () => true };

/** A process on a machine of its own, as far as locks can tell. */
function machineOf(host: string, pid: number): ThisMachine {
  const owner = { host, bootId: `boot of ${host}`, pid, pidNamespace: `pid:${host}`, startedTicks: "1" };
  return { owner, startTicksOf: () => "1" };
}

/** One of our programs, on a host of its own. */
class Host {
  readonly vault: Vault;
  /** What its backups must give back. */
  readonly backups = new Map<string, Content>();

  private constructor(vault: Vault) {
    this.vault = vault;
  }

  static async open(place: ResticPlace, name: string): Promise<Host> {
    const machine = machineOf(name, 4_242);
    const storage = await openLocalStorage(place.repo, { create: false, machine });
    const password = async (): Promise<string> => place.password;
    const options = {
      storage,
      machine,
      password,
      clock: systemClock,
      toolVersion: "0.0.0-test",
      create: false,
    };
    return new Host(await openRepositoryVault(options, signal));
  }

  /** Backs up a folder whose files stay as they are meanwhile. @param midway Runs between its halves */
  async backUp(folder: string, midway?: () => Promise<void>): Promise<string> {
    const begun = {
      ...({ ...patient, type: "storage", source: "shop", host: "probe", startedAtMs: Date.now() } as const),
      ...{
        safety: false,
        tags: [],
        roots: [{ name: "files", path: folder }],
        parent: [...this.backups.keys()].at(-1),
      },
      level: undefined,
    };
    const writer = await this.vault.begin(begun, signal);
    try {
      const paths = ["", ...(await readdir(folder)).sort()];
      const entries = await Promise.all(paths.map((path) => describeEntry(folder, path)));
      const settled = await writer.settle(entries, signal);
      const added = entries.map((entry, i) => ({ entry, settled: settled[i] ?? false }));
      await writer.add(added.slice(0, added.length >> 1), signal);
      await midway?.();
      await writer.add(added.slice(added.length >> 1), signal);
      const { id } = await writer.finish(summary(), signal);
      this.backups.set(id, await contentOf(folder));
      return id;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async remove(id: string, lock: LockOptions): Promise<void> {
    await this.vault.exclusively((remover) => remover.remove([id], signal), lock, signal);
    this.backups.delete(id);
  }

  async prune(lock: LockOptions): Promise<void> {
    await this.vault.maintenance?.prune({ ...lock, ...pruneAll }, signal);
  }

  async assertRestores(): Promise<void> {
    const listed = new Set((await this.vault.list(signal)).map(({ id }) => id));
    for (const [id, content] of this.backups) {
      assert.ok(listed.has(id), `${id} is listed`);
      await using reader = await this.vault.open(id, signal);
      const found = new Map<string, string>();
      for (const [path, hex] of await readEverything(reader)) {
        if (!path.endsWith("/")) found.set(path.replace(/^files\//, ""), sha256(Buffer.from(hex, "hex")));
      }
      assert.deepEqual(found, content, id);
    }
  }
}

function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

async function contentOf(folder: string): Promise<Content> {
  const content = new Map<string, string>();
  for (const name of (await readdir(folder)).sort())
    content.set(name, sha256(await readFile(join(folder, name))));
  return content;
}

/** Files that several folders have in common, so that who stores them counts on blobs of others. */
const common = Array.from({ length: 12 }, () => randomBytes(150_000));

async function makeFolder(place: ResticPlace, name: string): Promise<string> {
  const folder = join(place.folder, name);
  await mkdir(folder, { recursive: true });
  for (const [i, bytes] of common.entries()) await writeFile(join(folder, `common-${i}`), bytes);
  await changeFolder(folder);
  return folder;
}

async function changeFolder(folder: string): Promise<void> {
  for (let i = 0; i < 12; i++) {
    await writeFile(join(folder, `own-${i}`), randomBytes(100_000 + i));
    await writeFile(join(folder, `text-${i}`), `${i} ${randomBytes(8).toString("hex")} `.repeat(3_000));
  }
}

/** Every snapshot of restic's that restic lists gives back a folder as it was. */
async function assertResticRestores(place: ResticPlace, made: ReadonlyMap<string, Content>): Promise<void> {
  const listed: { id: string; paths: string[] }[] = JSON.parse(await place.ok("snapshots", "--json"));
  for (const [id, content] of made) {
    const snapshot = listed.find((one) => one.id.startsWith(id));
    assert.ok(snapshot !== undefined, `${id} is listed by restic`);
    const target = join(place.folder, "restored", id);
    await place.ok("restore", id, "--target", target);
    assert.deepEqual(await contentOf(join(target, snapshot.paths[0] ?? "")), content);
  }
}

/** The end of every test: restic finds nothing wrong, nobody's lock is left, and what each made is there for the other too. */
async function assertWhole(place: ResticPlace, hosts: readonly Host[], made: ReadonlyMap<string, Content>) {
  for (const host of hosts) await host.assertRestores();
  const ours = hosts.flatMap((host) => [...host.backups]);
  await assertResticRestores(place, new Map([...made, ...ours]));
  for (const id of made.keys()) {
    const backup = (await hosts[0]?.vault.list(signal))?.find((one) => one.id.startsWith(id));
    assert.equal(backup?.state, "good");
  }
  await place.ok("check", "--read-data");
  const report = await hosts[0]?.vault.maintenance?.check({ ...impatient, readData: "all" }, signal);
  assert.deepEqual(report?.damages, []);
  assert.deepEqual(await readdir(join(place.repo, "locks")), []);
}

/** A backup by restic. Returns the beginning of its id; undefined where it found the repository locked. */
async function resticBackup(place: ResticPlace, folder: string): Promise<string | undefined> {
  const { code, stdout, stderr } = await place.run(["backup", "--json", "--tag", "restics", folder]);
  if (code === 0) return /"snapshot_id":"([0-9a-f]+)"/.exec(stdout)?.[1] ?? assert.fail(stdout);
  assert.match(stderr, /already locked/);
  return undefined;
}

async function until<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 2_000; tries++) {
    const result = await attempt();
    if (result !== undefined) return result;
    await sleep(50 + Math.random() * 200);
  }
  throw new Error("the repository stayed locked");
}

async function openPlace(): Promise<ResticPlace> {
  const place = await ResticPlace.open();
  await (await place.create()).storage[Symbol.asyncDispose]();
  return place;
}

test("two of our backups and one of restic's at once, again and again, are all whole", async () => {
  await using place = await openPlace();
  const hosts = [await Host.open(place, "alpha"), await Host.open(place, "beta")] as const;
  const folders = await Promise.all(["a", "b", "c"].map((name) => makeFolder(place, name)));
  const [a = "", b = "", c = ""] = folders;
  const made = new Map<string, Content>();
  for (let round = 0; round < 3; round++) {
    const [, , theirs] = await Promise.all([hosts[0].backUp(a), hosts[1].backUp(b), resticBackup(place, c)]);
    made.set(theirs ?? assert.fail("nobody is alone here"), await contentOf(c));
    for (const folder of folders) await changeFolder(folder);
  }
  await assertWhole(place, hosts, made);
});

test("our prune and our removal are refused while restic backs up, or wait for it, and nothing is lost", async () => {
  await using place = await openPlace();
  const host = await Host.open(place, "alpha");
  const folder = await makeFolder(place, "a");
  const old = await host.backUp(folder);
  await changeFolder(folder);
  await host.backUp(folder);
  const made = new Map([[await until(() => resticBackup(place, folder)), await contentOf(folder)]]);
  const child = await place.startLocked("shared");
  const ended = resultOf(child);
  const isLocked = (error: unknown): boolean => isBackupError(error, "locked");
  await assert.rejects(host.prune(impatient), isLocked);
  await assert.rejects(host.remove(old, impatient), isLocked);
  const waiting = host.remove(old, patient).then(() => host.prune(patient));
  child.stdin.write(randomBytes(3_000_000));
  await sleep(300);
  child.stdin.end("the end");
  assert.equal((await ended).code, 0);
  await waiting;
  await assertWhole(place, [host], made);
});

test("restic neither backs up nor forgets while we prune, and we prune nothing that it stores later", async () => {
  await using place = await openPlace();
  const host = await Host.open(place, "alpha");
  const folder = await makeFolder(place, "a");
  const old = await host.backUp(folder);
  await changeFolder(folder);
  await host.backUp(folder);
  await host.remove(old, patient);
  const refused: (string | undefined)[] = [];
  const confirm = async (): Promise<boolean> => {
    refused.push(await resticBackup(place, folder));
    assert.match((await place.run(["forget", "--keep-last", "1", "--prune"])).stderr, /already locked/);
    return true;
  };
  await host.vault.maintenance?.prune({ ...impatient, ...pruneAll, confirm }, signal);
  assert.deepEqual(refused, [undefined], "restic was refused, once");
  const made = new Map([[await until(() => resticBackup(place, folder)), await contentOf(folder)]]);
  await assertWhole(place, [host], made);
});

test("restic's forget --prune while we make a backup is refused, and does not touch what we count on", async () => {
  await using place = await openPlace();
  const host = await Host.open(place, "alpha");
  const folder = await makeFolder(place, "a");
  const forgotten = await until(() => resticBackup(place, folder));
  // All of it is restic's so far: our backup counts on its blobs.
  await host.backUp(folder, async () => {
    const attempt = await place.run(["forget", forgotten, "--prune"]);
    assert.match(attempt.stderr, /already locked/);
  });
  await place.ok("forget", "--tag", "restics", "--keep-last", "1", "--prune");
  await place.ok("prune", "--max-unused", "0");
  await assertWhole(place, [host], new Map());
});

test("two hosts of ours and restic, all making, removing and pruning at once, lose nothing", async () => {
  await using place = await openPlace();
  const hosts = [await Host.open(place, "alpha"), await Host.open(place, "beta")] as const;
  const folders = await Promise.all(["a", "b", "c"].map((name) => makeFolder(place, name)));
  const made = new Map<string, Content>();
  const working = async (host: Host, folder: string): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      await host.backUp(folder);
      await changeFolder(folder);
      const [oldest] = host.backups.keys();
      if (round % 2 === 1 && oldest !== undefined) await host.remove(oldest, patient);
      if (round >= 2) await host.prune(patient);
    }
  };
  const restic = async (folder: string): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      const id = await until(() => resticBackup(place, folder));
      made.set(id, await contentOf(folder));
      await changeFolder(folder);
      const [oldest = ""] = made.keys();
      const args = round % 2 === 1 ? ["forget", oldest, "--prune", "--max-unused", "0"] : undefined;
      if (args === undefined) continue;
      await until(async () => ((await place.run(args)).code === 0 ? true : undefined));
      made.delete(oldest);
    }
  };
  const [a = "", b = "", c = ""] = folders;
  await Promise.all([working(hosts[0], a), working(hosts[1], b), restic(c)]);
  assert.ok(hosts.every((host) => host.backups.size === 2));
  assert.equal(made.size, 2);
  await assertWhole(place, hosts, made);
});
