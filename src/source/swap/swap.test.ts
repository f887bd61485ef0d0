import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  statSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringFromText as bytes } from "../../domain/byte-string.ts";
import { everyFew, fewOf } from "../../testing/every-few.ts";
import { PowerCutDisk } from "../../testing/power-cut-disk.ts";
import {
  id,
  leftovers,
  makeScene,
  newState,
  oldState,
  read,
  type Scene,
  write,
} from "../../testing/swap-scene.ts";
import { previousName } from "./staging-names.ts";
import { realDisk, type SwapDisk } from "./swap-disk.ts";
import { carryOut, finishJournal } from "./swap-recovery.ts";

const warn = (): void => assert.fail("nothing to warn of");
const installLive = (): Promise<void> => Promise.reject(new Error("there are no live targets"));

async function recover(scene: Scene): Promise<void> {
  const disk = new PowerCutDisk({ before: Number.POSITIVE_INFINITY });
  const store = scene.store(disk);
  const found = await store.read(id);
  if (found !== undefined) await finishJournal(found, { store, disk, installLive, warn });
}

interface SweepOptions {
  readonly defect?: "no-sync";
  /** The recovery is stopped too. */
  readonly recoverTwice?: boolean;
  /** The last target cannot be moved in, so that everything is moved back, and that is stopped too. */
  readonly refuseLast?: boolean;
  /** Folders keep their owner from changing them, and have their modes back in the end. */
  readonly readOnly?: boolean;
  /** Not before every change but before every so many. */
  readonly every?: number;
}

/**
 * Stops a restore before every change it makes, in each of the ways a stop can leave the
 * disk, recovers, and checks the law. Returns how many stops were tried.
 */
async function sweep(options: SweepOptions): Promise<number> {
  let tried = 0;
  for (const forget of [false, true]) {
    for (let before = 1, ended = false; !ended; before += options.every ?? 1, tried++) {
      ended = await stopAndRecover({ ...options, before, forget });
    }
  }
  return tried;
}

/** True when the restore ran to its end before it came to the stop. */
async function stopAndRecover(options: SweepOptions & { before: number; forget: boolean }): Promise<boolean> {
  const scene = makeScene();
  try {
    const disk = new PowerCutDisk(options);
    if (options.readOnly === true) makeReadOnly(scene);
    if (options.refuseLast === true) refuse(disk, join(scene.directory, "root", "absent"));
    await scene.store(new PowerCutDisk({ before: Number.POSITIVE_INFINITY })).write(scene.journal);
    const ended = await stopped(
      carryOut(scene.journal, { store: scene.store(disk), disk, installLive, warn }),
    );
    if (!ended && options.forget) disk.forgetUnsynced();
    const state = (await scene.store(realDisk).read(id))?.state ?? "removed";
    if (options.recoverTwice === true) await recoverInterrupted(scene, options.before);
    await recover(scene);
    const back = state === "reverting" || state === "staged" || state === "removed";
    const where = `stopped before change ${options.before} in ${state}`;
    if (options.readOnly === true) checkModes(scene, back ? oldModes : newModes, where);
    checkLaw(scene, back ? oldState : newState, where);
    return ended;
  } finally {
    // Closed folders keep an ordinary user from removing them.
    await realDisk.removeTree(bytes(scene.directory));
  }
}

const oldModes = { uploads: 0o555, part: 0o511, "part/deep": 0o500 };
const newModes = {
  ...oldModes,
  ...{ uploads: 0o550, mount: 0o750, "mount/z": 0o070, absent: 0o1555 },
  [join(previousName(bytes("uploads"), id), "uploads")]: 0o555,
};

function makeReadOnly(scene: Scene): void {
  const root = join(scene.directory, "root");
  const staging = (index: number): string => scene.journal.areas[index]?.staging ?? "";
  for (const folder of ["part/deep", "part", "uploads"] as const) {
    chmodSync(join(root, folder), oldModes[folder]);
  }
  const built = [
    [1, "uploads"],
    [3, "z"],
    [4, "absent"],
  ] as const;
  const modes = [newModes.uploads, newModes["mount/z"], newModes.absent];
  for (const [n, [index, name]] of built.entries()) chmodSync(join(staging(index), name), modes[n] ?? 0);
  chmodSync(join(staging(2), "deep"), 0o555);
}

/** Opens them besides, so that what is in them can be read. */
function checkModes(scene: Scene, modes: Record<string, number>, where: string): void {
  const root = join(scene.directory, "root");
  const found = Object.keys(modes).map((name) => [name, statSync(join(root, name)).mode & 0o7777]);
  assert.deepEqual(Object.fromEntries(found), modes, where);
  for (const name of Object.keys(modes)) chmodSync(join(root, name), 0o755);
}

function refuse(disk: SwapDisk, arriving: string): void {
  const rename = disk.rename.bind(disk);
  disk.rename = async (from, to): Promise<void> => {
    if (to === arriving) throw new Error("EACCES");
    await rename(from, to);
  };
}

/** True when it ran to its end. */
async function stopped(run: Promise<unknown>): Promise<boolean> {
  try {
    await run;
    return true;
  } catch (error) {
    const names = flatten(error);
    if (names.includes("PowerCut")) return false;
    // Moved back, to the end.
    if (names.includes("Error: EACCES")) return true;
    throw error;
  }
}

function flatten(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(flatten);
  return error instanceof Error ? [error.name, String(error), ...flatten(error.cause)] : [];
}

/** The recovery is stopped as well, somewhere else every time. */
async function recoverInterrupted(scene: Scene, seed: number): Promise<void> {
  const disk = new PowerCutDisk({ before: 1 + ((seed * 7) % 11) });
  const store = scene.store(disk);
  const found = await store.read(id);
  if (found === undefined) return;
  if (!(await stopped(finishJournal(found, { store, disk, installLive, warn })))) disk.forgetUnsynced();
}

function checkLaw(scene: Scene, expected: Record<string, string>, where: string): void {
  const root = join(scene.directory, "root");
  assert.deepEqual(read(root), expected, where);
  const left = leftovers(root);
  assert.ok(!left.some((path) => path.includes("vertex-restore")), `${where}: ${left}`);
  if (expected === oldState) assert.deepEqual(left, [], where);
  else checkPrevious(root, where);
}

/** What was replaced is kept, all of it. */
function checkPrevious(root: string, where: string): void {
  const kept = readdirSync(root, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes(".vertex-previous-"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
    .sort();
  const replaced = [
    "old database",
    "old wal",
    "old shm",
    "old a",
    "removed by the restore",
    "old one",
    "old x",
    "old y",
  ];
  assert.deepEqual(kept, replaced.sort(), where);
}

test("swap: stopped before any change, all targets are wholly old or wholly new after recovery", async () => {
  assert.ok((await sweep({})) > 50);
});

test("swap: a recovery that is stopped itself is finished by the next one", async () => {
  await sweep({ recoverTwice: true });
});

test("swap: stopped while everything is being moved back, it is moved back by recovery", async () => {
  assert.ok((await sweep({ refuseLast: true })) > 80);
});

test("swap: folders that are closed to their owner have their modes back after recovery, wherever it was stopped", async () => {
  const few = 7;
  const closed = { readOnly: true, every: everyFew(few) };
  assert.ok((await sweep(closed)) > fewOf(80, few));
  await sweep({ ...closed, recoverTwice: true });
  assert.ok((await sweep({ ...closed, refuseLast: true })) > fewOf(100, few));
});

test("swap: the sweep notices when directories are not synced", async () => {
  await assert.rejects(sweep({ defect: "no-sync" }), assert.AssertionError);
});

test("swap: the sweep notices when the new comes in before the old is out of the way of all targets", async () => {
  const scene = makeScene();
  try {
    // As a build would leave it that had forgotten the clearing: the journal says it is over, and it is not for the sidecars.
    const wrong = { ...scene.journal, state: "filling" as const };
    await scene.store(realDisk).write(wrong);
    const withoutDatabase = wrong.areas.map((area) => ({
      ...area,
      slots: area.slots.map((slot) => ({ ...slot, database: false })),
    }));
    await finishJournal(
      { ...wrong, areas: withoutDatabase },
      { store: scene.store(realDisk), disk: realDisk, installLive, warn },
    );
    assert.throws(
      () => checkLaw(scene, newState, "a stale -wal is beside the restored database"),
      assert.AssertionError,
    );
  } finally {
    rmSync(scene.directory, { recursive: true });
  }
});

test("swap: a step that fails takes everything back", async () => {
  for (const failing of ["app/app.db-wal", "mount/y.txt", "uploads", "part/deep/two.txt", "absent"]) {
    const scene = makeScene();
    try {
      const root = join(scene.directory, "root");
      const disk: SwapDisk = { ...realDisk };
      // On the way in or aside, not on the way back: both end under a name of their own.
      disk.rename = async (from, to): Promise<void> => {
        const aside = from === join(root, failing) && to.includes("vertex-previous");
        if (aside || (to === join(root, failing) && from.includes("vertex-restore")))
          throw new Error("EACCES");
        await realDisk.rename(from, to);
      };
      const store = scene.store(disk);
      await store.write(scene.journal);
      await assert.rejects(carryOut(scene.journal, { store, disk, installLive, warn }), /EACCES/);
      checkLaw(scene, oldState, failing);
      assert.deepEqual(await store.list(), []);
    } finally {
      rmSync(scene.directory, { recursive: true });
    }
  }
});

test("swap: what an app made anew between crash and recovery does not meet the restored database, and is kept", async () => {
  for (let before = 1; before < 40; before++) {
    const scene = makeScene();
    try {
      const root = join(scene.directory, "root");
      const disk = new PowerCutDisk({ before });
      await scene.store(realDisk).write(scene.journal);
      if (await stopped(carryOut(scene.journal, { store: scene.store(disk), disk, installLive, warn })))
        break;
      const absent = !(await realDisk.exists(bytes(join(root, "app/app.db"))));
      if (absent) write(root, { "app/app.db": "made anew", "app/app.db-wal": "wal of it" });
      await recover(scene);
      if (!absent) continue;
      assert.deepEqual(read(root), newState);
      const kept = read(join(root, "app", previousName(bytes("app.db"), id)));
      assert.equal(kept["app.db"], "old database");
      assert.equal(kept["app.db.late-1"], "made anew");
    } finally {
      rmSync(scene.directory, { recursive: true });
    }
  }
});

test("swap: the sidecars of what an app made anew stay with it, so that no undo brings them to the old database", async () => {
  for (let before = 1, made = 0; ; before++) {
    const scene = makeScene();
    try {
      const root = join(scene.directory, "root");
      rmSync(join(root, "app/app.db-wal"));
      rmSync(join(root, "app/app.db-shm"));
      const disk = new PowerCutDisk({ before });
      await scene.store(realDisk).write(scene.journal);
      const run = carryOut(scene.journal, { store: scene.store(disk), disk, installLive, warn });
      if (await stopped(run)) return assert.ok(made > 3, `${made} stops left the database absent`);
      if (existsSync(join(root, "app/app.db"))) continue;
      made++;
      write(root, { "app/app.db": "made anew", "app/app.db-wal": "wal of it" });
      await recover(scene);
      assert.deepEqual(read(join(root, "app", previousName(bytes("app.db"), id))), {
        "app.db": "old database",
        "app.db.late-1": "made anew",
        "app.db.late-1-wal": "wal of it",
      });
    } finally {
      rmSync(scene.directory, { recursive: true });
    }
  }
});

test("swap: the old comes back although an app has made something in its place, which is kept", async () => {
  const scene = makeScene();
  try {
    const root = join(scene.directory, "root");
    const disk: SwapDisk = { ...realDisk };
    disk.rename = async (from, to): Promise<void> => {
      if (to === join(root, "app/app.db") && from.includes("vertex-restore")) {
        write(root, { "app/app.db": "made anew", "app/app.db-wal": "wal of it", "uploads/b.jpg": "anew" });
        throw new Error("EIO");
      }
      await realDisk.rename(from, to);
    };
    const store = scene.store(disk);
    await store.write(scene.journal);
    await assert.rejects(carryOut(scene.journal, { store, disk, installLive, warn }), /EIO/);
    assert.deepEqual(read(root), oldState);
    assert.deepEqual(read(join(root, "app", previousName(bytes("app.db"), id))), {
      "app.db.late-1": "made anew",
      "app.db.late-1-wal": "wal of it",
    });
    assert.deepEqual(read(join(root, previousName(bytes("uploads"), id))), {
      "uploads.late-1/b.jpg": "anew",
    });
  } finally {
    rmSync(scene.directory, { recursive: true });
  }
});

test("swap: a disk that is not mounted when the restore is taken up again changes nothing", async () => {
  for (let before = 1; before < 30; before++) {
    const scene = makeScene();
    try {
      const disk = new PowerCutDisk({ before });
      await scene.store(realDisk).write(scene.journal);
      await stopped(carryOut(scene.journal, { store: scene.store(disk), disk, installLive, warn }));
      const state = (await scene.store(realDisk).read(id))?.state;
      if (state !== "clearing" && state !== "filling") continue;
      const root = join(scene.directory, "root");
      renameSync(root, `${root}-elsewhere`);
      mkdirSync(root);
      await assert.rejects(recover(scene), /not there/);
      rmdirSync(root);
      renameSync(`${root}-elsewhere`, root);
      await recover(scene);
      checkLaw(scene, newState, `stopped before change ${before} in ${state}`);
    } finally {
      rmSync(scene.directory, { recursive: true });
    }
  }
});
