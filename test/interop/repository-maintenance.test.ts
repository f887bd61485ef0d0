import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { incompressible } from "../../bench/data.ts";
import { isBackupError } from "../../src/domain/error.ts";
import type { IndexedPack } from "../../src/format/restic/model.ts";
import { objectsOf, storageOf, storeSample } from "../../src/testing/sample-repository.ts";
import { noWait } from "../../src/testing/vault-probe.ts";
import type { CheckReport, Maintenance, PruneOptions, PruneReport } from "../../src/vault/maintenance.ts";
import { RepositoryKeyRing } from "../../src/vault/repository/key-ring.ts";
import { checkRepository } from "../../src/vault/repository/maintenance/check/check-repository.ts";
import { repositoryMaintenance } from "../../src/vault/repository/maintenance/repository-maintenance.ts";
import { packName } from "../../src/vault/repository/objects.ts";
import type { Repository } from "../../src/vault/repository/repository.ts";
import { ResticPlace, resultOf, signal } from "./restic.ts";

function maintain(repo: Repository): Maintenance {
  return repositoryMaintenance(repo, new RepositoryKeyRing(repo, {}));
}

async function checkAll(repo: Repository): Promise<CheckReport> {
  return await maintain(repo).check({ ...noWait, readData: "all" }, signal);
}

async function prune(repo: Repository, changes: Partial<PruneOptions> = {}): Promise<PruneReport> {
  const confirm = (): Promise<boolean> => Promise.resolve(true);
  const options = { ...noWait, maxUnusedPercent: 0, dryRun: false, confirm, ...changes };
  return await maintain(repo).prune(options, signal);
}

async function resticIsContent(place: ResticPlace): Promise<void> {
  const { code, stdout, stderr } = await place.run(["check", "--read-data"]);
  assert.equal(code, 0, stdout + stderr);
}

/** Everything restic restores, by path. */
async function restored(place: ResticPlace, snapshot: string): Promise<Record<string, string>> {
  const target = join(place.folder, `restored-${snapshot.slice(0, 8)}-${process.hrtime.bigint()}`);
  await place.ok("restore", snapshot, "--target", target);
  const files: Record<string, string> = {};
  for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[path.slice(target.length)] = (await readFile(path)).toString("base64");
  }
  return files;
}

async function snapshotIds(place: ResticPlace): Promise<readonly string[]> {
  const listed = JSON.parse(await place.ok("snapshots", "--json")) as { readonly id: string }[];
  return listed.map(({ id }) => id);
}

/** A repository of restic's with three backups of a changing folder, in `source`. */
async function makeRestic(
  place: ResticPlace,
): Promise<{ readonly source: string; readonly ids: readonly string[] }> {
  const source = join(place.folder, "source");
  await mkdir(join(source, "deep/er"), { recursive: true });
  await writeFile(join(source, "deep/er/text.txt"), "words ".repeat(50_000));
  await writeFile(join(source, "kept.bin"), incompressible(3_000_000, 1));
  await writeFile(join(source, "empty"), "");
  await place.ok("init");
  for (let version = 1; version <= 3; version++) {
    await writeFile(join(source, "changing.bin"), incompressible(1_500_000, 10 + version));
    await writeFile(join(source, `only-${version}.txt`), `only in ${version} `.repeat(1_000));
    if (version > 1) await rm(join(source, `only-${version - 1}.txt`));
    await place.ok("backup", source);
  }
  return { source, ids: await snapshotIds(place) };
}

function filesOf(place: ResticPlace, kind: string): readonly string[] {
  const folder = join(place.repo, kind);
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function flip(path: string, at: number): Promise<void> {
  await chmod(path, 0o600);
  const bytes = await readFile(path);
  const position = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8((bytes[position] ?? 0) ^ 4, position);
  await writeFile(path, bytes);
}

test("a repository of restic's that we prune is whole for restic, and holds what restic's own prune would leave", async () => {
  await using place = await ResticPlace.open();
  const { ids } = await makeRestic(place);
  const [first = "", second = "", third = ""] = ids;
  const before = await restored(place, third);
  await place.ok("forget", first, second);
  await cp(place.repo, `${place.repo}-theirs`, { recursive: true });
  const repo = await place.connect();
  assert.equal((await prune(repo)).done, true);
  await resticIsContent(place);
  assert.deepEqual(await restored(place, third), before);
  assert.deepEqual((await checkAll(repo)).damages, []);
  const theirs = execFileSync("restic", ["-r", `${place.repo}-theirs`, "prune", "--max-unused", "0"], {
    env: { ...process.env, RESTIC_PASSWORD: place.password, RESTIC_CACHE_DIR: join(place.folder, "cache") },
    encoding: "utf8",
  });
  assert.match(theirs, /done/);
  const sizeOf = (path: string): number =>
    Number(execFileSync("du", ["-sb", path], { encoding: "utf8" }).split("\t")[0]);
  assert.ok(sizeOf(join(place.repo, "data")) <= sizeOf(`${place.repo}-theirs/data`) * 1.01);
});

test("a repository of ours that restic prunes is whole for us", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  const gone = await storeSample(repo, { "/srv/a": ["a ", "shared "], "/srv/b": ["b "] });
  const kept = await storeSample(repo, { "/srv/a": ["new ", "shared "], "/srv/deep/c": ["c "] }, 5);
  await resticIsContent(place);
  const before = await restored(place, kept);
  assert.equal(Object.keys(before).length, 2);
  await place.ok("forget", gone);
  await place.ok("prune", "--max-unused", "0");
  const report = await checkAll(repo);
  assert.deepEqual(report.damages, []);
  assert.deepEqual(report.checked, [kept]);
  assert.equal((await prune(repo)).plan.bytesFreed, 0);
  assert.deepEqual(await restored(place, kept), before);
});

test("repositories of version 1, with all that restic's own tests put into them, are pruned so that restic finds them whole", async () => {
  const folder = join(import.meta.dirname, "../fixtures/restic-v1");
  const archives = readdirSync(folder).filter((name) => name.endsWith(".tar.gz"));
  assert.ok(archives.length >= 7);
  for (const archive of archives) {
    await using place = await ResticPlace.open();
    execFileSync("tar", ["xzf", join(folder, archive), "-C", place.folder]);
    execFileSync("chmod", ["-R", "u+w", place.folder]);
    const repo = await place.connect();
    const isWhole = (await place.run(["check", "--read-data"])).code === 0;
    assert.equal((await checkAll(repo)).ok, isWhole, archive);
    if (!isWhole) {
      await assert.rejects(prune(repo), (error) => isBackupError(error, "damaged"));
      await maintain(repo).repairIndex(noWait, signal);
      await resticIsContent(place);
    }
    await prune(repo);
    await resticIsContent(place);
    assert.deepEqual((await checkAll(repo)).damages, [], archive);
  }
});

test("we wait for restic to end its backup before we prune, and may check meanwhile", async () => {
  await using place = await ResticPlace.open();
  const { ids } = await makeRestic(place);
  await place.ok("forget", ids[0] ?? "");
  const repo = await place.connect();
  const running = await place.startLocked("shared");
  const ended = once(running, "exit");
  await assert.rejects(prune(repo), (error) => isBackupError(error, "locked"));
  assert.deepEqual((await checkAll(repo)).damages, []);
  const waiting = prune(repo, { lockWaitMs: 600_000 });
  running.stdin.end(incompressible(1_000_000, 100));
  await ended;
  assert.equal((await waiting).done, true);
  await resticIsContent(place);
  assert.equal((await snapshotIds(place)).length, 3);
});

test("restic does not back up while we prune, and does afterwards", async () => {
  await using place = await ResticPlace.open();
  const { source, ids } = await makeRestic(place);
  await place.ok("forget", ids[0] ?? "");
  const repo = await place.connect();
  let code: number | null | undefined;
  const confirm = async (): Promise<boolean> => {
    ({ code } = await place.run(["backup", source]));
    return true;
  };
  assert.equal((await prune(repo, { confirm })).done, true);
  assert.notEqual(code, 0);
  await place.ok("backup", source);
  await resticIsContent(place);
});

/** restic tries to read what is missing for a quarter of an hour; by then it has said so, and is asked to end. */
const patienceMs = 10_000;

/** What restic's check ends with. */
async function resticVerdict(place: ResticPlace): Promise<number> {
  const checking = place.start(["check", "--read-data", "--no-cache"]);
  const timer = setTimeout(() => checking.kill("SIGINT"), patienceMs);
  const { code } = await resultOf(checking);
  clearTimeout(timer);
  return code;
}

/** A large blob of which restic itself says that a backup needs it. */
async function neededBlob(
  place: ResticPlace,
  packs: readonly IndexedPack[],
): Promise<{ readonly pack: string; readonly offset: number }> {
  for (const { id: pack, blobs } of packs) {
    for (const { id, type, offset, length } of blobs) {
      if (type !== "data" || length < 100_000) continue;
      if ((await place.ok("find", "--blob", id)).includes(id)) return { pack, offset };
    }
  }
  throw new Error("no backup needs any large blob");
}

test("every kind of damage that restic finds is found, and named by the paths it concerns", async () => {
  await using place = await ResticPlace.open();
  const { source } = await makeRestic(place);
  const whole = `${place.repo}-whole`;
  await cp(place.repo, whole, { recursive: true });
  const { index } = await (await import("../../src/vault/repository/load-index.ts")).loadIndex(
    await place.connect(),
    signal,
  );
  const packs = Array.from(index.packs());
  const needed = await neededBlob(place, packs);
  const dataPack = join(place.repo, packName(needed.pack));
  const treePack = join(place.repo, packName(packs.find(({ blobs }) => blobs[0]?.type === "tree")?.id ?? ""));
  const indexFile = filesOf(place, "index")[0] ?? "";
  const snapshot = filesOf(place, "snapshots")[0] ?? "";
  const half = async (path: string): Promise<void> => {
    await chmod(path, 0o600);
    await truncate(path, Math.floor((await readFile(path)).length / 2));
  };
  const damages: Record<string, () => Promise<unknown>> = {
    "a data pack with a flipped byte": () => flip(dataPack, needed.offset + 2_000),
    "a data pack without its header": () => flip(dataPack, -20),
    "a data pack with a wrong header length": () => flip(dataPack, -3),
    "a missing data pack": () => rm(dataPack),
    "half a data pack": () => half(dataPack),
    "an empty data pack": () => chmod(dataPack, 0o600).then(() => truncate(dataPack, 0)),
    "a data pack under the name of another": () => rename(treePack, dataPack),
    "a tree pack with a flipped byte": () => flip(treePack, 30),
    "a missing tree pack": () => rm(treePack),
    "half a tree pack": () => half(treePack),
    "a missing index": () => rm(indexFile),
    "an index with a flipped byte": () => flip(indexFile, 40),
    "half an index": () => half(indexFile),
    "a snapshot with a flipped byte": () => flip(snapshot, 40),
    "half a snapshot": () => half(snapshot),
  };
  for (const [what, damage] of Object.entries(damages)) {
    await rm(place.repo, { recursive: true, force: true });
    await cp(whole, place.repo, { recursive: true });
    const repo = await place.connect();
    await damage();
    const report = await checkAll(repo);
    assert.notEqual(await resticVerdict(place), 0, `restic finds ${what}`);
    assert.equal(report.ok, false, what);
    assert.ok(report.affected.length > 0 || /header/.test(what), `${what}: ${JSON.stringify(report)}`);
    const paths = report.damages.flatMap(({ path }) => path ?? []);
    const isPack = /pack/.test(what) && !/header/.test(what);
    if (isPack)
      assert.ok(
        paths.some((path) => path === "/" || path.startsWith(source) || source.startsWith(path)),
        what,
      );
    await assertMended(place, repo, what);
  }
});

/** Repairs what can be repaired, after which restic finds nothing wrong. */
async function assertMended(place: ResticPlace, repo: Repository, what: string): Promise<void> {
  const dry = await maintain(repo).repairBackups(
    { ...noWait, confirm: async () => true, dryRun: true },
    signal,
  );
  const told = await maintain(repo).repairBackups(
    { ...noWait, confirm: async () => true, dryRun: false, forgotten: dry.hopeless },
    signal,
  );
  assert.deepEqual(new Set(told.rewritten), new Set(dry.rewritten), what);
  const after = await checkAll(repo);
  assert.deepEqual(after.damages, [], what);
  await prune(repo);
  const { code, stdout, stderr } = await place.run(["check", "--read-data", "--no-cache"]);
  assert.equal(code, 0, `${what}: ${stdout}${stderr}`);
}

test("every single byte of a small repository of restic's that is flipped is found", async () => {
  await using place = await ResticPlace.open();
  await place.ok("init");
  const source = join(place.folder, "a");
  await writeFile(source, "a");
  execFileSync("restic", ["backup", "-q", "a"], {
    cwd: place.folder,
    env: {
      ...process.env,
      RESTIC_REPOSITORY: place.repo,
      RESTIC_PASSWORD: place.password,
      RESTIC_CACHE_DIR: join(place.folder, "cache"),
    },
  });
  const repo = await place.connect();
  const objects = new Map(await objectsOf(repo.storage));
  let tried = 0;
  for (const [name, bytes] of objects) {
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8((bytes[at] ?? 0) ^ (1 << (at % 8)), at);
      // The key is opened once: deriving it each time would take a quarter of an hour.
      const storage = await storageOf(new Map(objects).set(name, changed));
      const { damages } = await checkRepository(
        { ...repo, storage },
        { ...noWait, readData: "all" },
        () => 0,
        signal,
      );
      assert.ok(
        damages.some(({ object }) => object === name),
        `byte ${at} of ${name}`,
      );
      tried++;
    }
  }
  assert.ok(tried > 1_500, `${tried} bytes`);
});
