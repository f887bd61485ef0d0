import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ByteString, byteStringFromText as bytes } from "../../domain/byte-string.ts";
import { PowerCutDisk } from "../../testing/power-cut-disk.ts";
import { id, makeScene, newState, read, type Scene, write } from "../../testing/swap-scene.ts";
import { deleteMarked } from "./kept-states.ts";
import type { RestoreJournal, SwapArea } from "./restore-journal.ts";
import { realDisk, type SwapDisk } from "./swap-disk.ts";
import { carryOut, finishJournal, type RecoveryTools } from "./swap-recovery.ts";

const olderId = "20230101_120000-123456";
const states = { uploads: ["a.jpg", "b.jpg"], elsewhere: ["c.jpg", "d.jpg"] };

interface KeptScene extends Scene {
  readonly older: RestoreJournal;
}

/** An older restore keeps two states: one of `uploads`, which the scene's restore replaces again, and one of its own. */
async function makeKeptScene(): Promise<KeptScene> {
  const scene = makeScene();
  const root = join(scene.directory, "root");
  const areas = Object.entries(states).map(([target, files]): SwapArea => {
    const previous = join(root, `.${target}.vertex-previous-${olderId}`);
    write(previous, Object.fromEntries(files.map((name) => [`${target}/${name}`, "older"])));
    return {
      ...{
        place: bytes(root),
        staging: bytes("/none"),
        container: bytes("/none"),
        previous: bytes(previous),
      },
      slots: [{ name: bytes(target), arrives: true, database: false }],
      targets: [join(root, target)],
    };
  });
  const older: RestoreJournal = { ...scene.journal, id: olderId, state: "kept", areas };
  const store = scene.store(realDisk);
  await store.write(older);
  await store.write(scene.journal);
  return { ...scene, older };
}

function toolsOf(scene: Scene, disk: SwapDisk, warnings: string[] = []): RecoveryTools {
  const installLive = (): Promise<void> => Promise.reject(new Error("there are no live targets"));
  return { store: scene.store(disk), disk, installLive, warn: (text) => void warnings.push(text) };
}

/** As a deletion that takes its time: a power cut finds it half done. */
class SlowDisk extends PowerCutDisk {
  override async removeTree(path: ByteString): Promise<void> {
    await super.removeTree(bytes(join(path, "uploads", "a.jpg")));
    await super.removeTree(path);
  }
}

function filesKept({ older }: KeptScene, index: number): readonly string[] {
  const previous = older.areas[index]?.previous ?? "";
  if (!existsSync(previous)) return [];
  return readdirSync(previous, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

/** What may be undone is whole. */
async function checkOffered(scene: KeptScene, where: string): Promise<void> {
  const journal = await scene.store(realDisk).read(olderId);
  for (const [index, area] of scene.older.areas.entries()) {
    const isOffered =
      journal?.state === "kept" && journal.areas.some(({ previous }) => previous === area.previous);
    if (isOffered) assert.deepEqual(filesKept(scene, index), Object.values(states)[index], where);
  }
}

test("kept states: stopped before any change, none that is partly deleted is offered, and recovery ends it", async () => {
  for (let before = 1, ended = false; !ended; before++) {
    const scene = await makeKeptScene();
    const root = join(scene.directory, "root");
    try {
      const disk = new SlowDisk({ before });
      await carryOut(scene.journal, toolsOf(scene, disk)).catch(() => undefined);
      ended = disk.changes < before;
      await checkOffered(scene, `stopped before change ${before}`);
      const tools = toolsOf(scene, realDisk);
      const left = await tools.store.read(id);
      if (left !== undefined) await finishJournal(left, tools);
      await deleteMarked(olderId, tools);
      await checkOffered(scene, `stopped before change ${before}, recovered`);
      const isBack = (await tools.store.read(id)) === undefined;
      if (isBack) continue;
      assert.deepEqual(read(root), newState);
      assert.deepEqual([filesKept(scene, 0), filesKept(scene, 1)], [[], states.elsewhere]);
      const older = await tools.store.read(olderId);
      assert.deepEqual([older?.state, older?.areas, older?.discarding], ["kept", [scene.older.areas[1]], []]);
    } finally {
      rmSync(scene.directory, { recursive: true });
    }
  }
});

test("kept states: one that cannot be deleted is a warning, is offered no more, and goes as soon as it can", async () => {
  const scene = await makeKeptScene();
  try {
    const previous = scene.older.areas[0]?.previous ?? "";
    const disk: SwapDisk = { ...realDisk };
    disk.removeTree = async (path): Promise<void> => {
      if (path === previous) throw new Error("EPERM: operation not permitted");
      await realDisk.removeTree(path);
    };
    const warnings: string[] = [];
    const tools = toolsOf(scene, disk, warnings);
    await carryOut(scene.journal, tools);
    assert.match(warnings.join(), /^Cannot delete all of .*\.uploads\.vertex-previous-.*: EPERM/);
    assert.deepEqual(
      (await tools.store.list()).map(({ state, areas }) => [state, areas.length]),
      [
        ["kept", 1],
        ["kept", scene.journal.areas.length],
      ],
    );
    await assert.rejects(deleteMarked(olderId, tools), /EPERM/);
    await deleteMarked(olderId, toolsOf(scene, realDisk));
    assert.deepEqual([filesKept(scene, 0), filesKept(scene, 1)], [[], states.elsewhere]);
  } finally {
    rmSync(scene.directory, { recursive: true });
  }
});
