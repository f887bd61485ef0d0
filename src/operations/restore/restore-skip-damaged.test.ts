import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import "../../testing/cheap-scrypt.ts";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";
import type { VaultFormat } from "../../vault/vault.ts";
import type { BackupManager } from "../backup-manager.ts";
import type { RestoreResult } from "../requests.ts";

interface Scene {
  readonly app: LiveApp;
  readonly manager: BackupManager;
  readonly target: string;
}

/** A backup of the app with two large files that do not compress, one of which has two names. */
async function withScene(format: VaultFormat, work: (scene: Scene) => Promise<void>): Promise<void> {
  await using app = createLiveApp({ format, password: "geheim" });
  const big = join(app.uploads, "big", "inner");
  mkdirSync(big, { recursive: true });
  for (const name of ["a.jpg", "b.jpg"]) writeFileSync(join(big, name), randomBytes(3_000_000));
  linkSync(join(big, "a.jpg"), join(app.uploads, "again-a.jpg"));
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  await work({ app, manager, target: join(app.directory, "rescued") });
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

function rescue({ manager, target }: Scene): Promise<RestoreResult> {
  return manager.restoreBackup({ backup: "latest", target, skipDamaged: true });
}

/** Each file is there as it was, or it or a folder around it is named as damaged; nothing else is there. */
function assertRescued({ app, target }: Scene, { damaged, damagedCount }: RestoreResult): void {
  assert.equal(damagedCount, damaged.length);
  const named = new Set(damaged.map(({ path }) => path));
  const isNamed = (path: string): boolean => named.has(path) || (path !== "." && isNamed(dirname(path)));
  const uploads = filesBelow(app.uploads).map((path) => join("uploads", relative(app.uploads, path)));
  const wanted = uploads.filter((path) => !isNamed(path));
  if (!named.has("app.db")) wanted.push("app.db");
  const found = filesBelow(target).map((path) => relative(target, path));
  assert.deepEqual(found.toSorted(), wanted.toSorted());
  for (const path of wanted) {
    if (path === "app.db") assert.equal(sumOfBalances(join(target, path)), totalBalance);
    else assert.ok(readFileSync(join(target, path)).equals(readFileSync(join(app.directory, path))), path);
  }
}

/** Restores with each stored file damaged in turn. Returns what each restore left out, or nothing where it was refused. */
async function rescueFromEach(
  scene: Scene,
  stored: readonly string[],
  damage: (path: string) => void,
): Promise<readonly (readonly string[])[]> {
  const outcomes: (readonly string[])[] = [];
  for (const path of stored) {
    const before = readFileSync(path);
    damage(path);
    try {
      const result = await rescue(scene);
      assertRescued(scene, result);
      outcomes.push(result.damaged.map((damaged) => damaged.path ?? ""));
    } catch (error) {
      if (!isBackupError(error, "damaged")) throw error;
      assert.equal(existsSync(scene.target), false);
    }
    rmSync(path);
    writeFileSync(path, before, { mode: 0o600 });
    rmSync(scene.target, { recursive: true, force: true });
  }
  return outcomes;
}

function flipMiddle(path: string): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = bytes[at]! ^ 1;
  rmSync(path);
  writeFileSync(path, bytes, { mode: 0o600 });
}

function cutInHalf(path: string): void {
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, bytes, { mode: 0o600 });
  truncateSync(path, Math.floor(bytes.length / 2));
}

test("restore: skipDamaged restores from a damaged archive or database image all but what it names", async () => {
  await withScene("archive", async (scene) => {
    const stored = filesBelow(scene.app.vault).filter((path) => /\.(?:tar\.gz|db)$/.test(path));
    assert.equal(stored.length, 2);
    for (const damage of [flipMiddle, cutInHalf]) {
      const outcomes = await rescueFromEach(scene, stored, damage);
      assert.equal(outcomes.length, 2);
      assert.ok(outcomes.some((left) => left.length === 1 && left[0] === "app.db"));
      assert.ok(outcomes.some((left) => left.some((path) => path.endsWith(".jpg"))));
    }
  });
});

test("restore: skipDamaged restores from a repository with a damaged pack all but what it names", async () => {
  await withScene("repository", async (scene) => {
    const packs = filesBelow(join(scene.app.vault, "data"));
    for (const damage of [flipMiddle, cutInHalf, (path: string) => rmSync(path)]) {
      const outcomes = await rescueFromEach(scene, packs, (path) => {
        damage(path);
        if (!existsSync(path)) writeFileSync(path, "");
      });
      assert.ok(outcomes.some((left) => left.some((path) => path.endsWith(".jpg"))));
    }
  });
});

test("restore: skipDamaged wants a target and a backup of a vault, and is no use where all that is wanted is damaged", async () => {
  await withScene("archive", async ({ app, manager, target }) => {
    const inPlace = manager.restoreBackup({ backup: "latest", skipDamaged: true });
    await assert.rejects(inPlace, (error) => isBackupError(error, "invalid-input"));
    const [image = ""] = filesBelow(app.vault).filter((path) => path.endsWith(".db"));
    const loose = join(app.directory, "loose.db");
    writeFileSync(loose, readFileSync(image));
    const ofFile = manager.restoreBackup({ backup: loose, target, skipDamaged: true });
    await assert.rejects(ofFile, (error) => isBackupError(error, "invalid-input"));
    flipMiddle(image);
    const ofDatabase = manager.restoreBackup({
      backup: "latest",
      target,
      only: "database",
      skipDamaged: true,
    });
    await assert.rejects(ofDatabase, (error) => isBackupError(error, "damaged"));
    assert.equal(existsSync(target), false);
  });
});

test("restore: skipDamaged names only what was asked for, and a plan says it beforehand", async () => {
  await withScene("archive", async ({ app, manager, target }) => {
    const [image = ""] = filesBelow(app.vault).filter((path) => path.endsWith(".db"));
    flipMiddle(image);
    const request = { backup: "latest", target, skipDamaged: true } as const;
    const some = await manager.restoreBackup({ ...request, include: ["uploads/2024/1.txt"] });
    assert.deepEqual([some.damagedCount, some.filesWritten], [0, 1]);
    const storage = await manager.restoreBackup({ ...request, only: "storage" });
    assert.deepEqual([storage.damagedCount, storage.filesWritten], [0, 8]);
    const { warnings, added } = await manager.planRestore(request);
    assert.equal(added, 0);
    assert.match(warnings.join("\n"), /^app\.db is left out, because it is damaged: /m);
  });
});
