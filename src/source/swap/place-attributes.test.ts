import assert from "node:assert/strict";
import { rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { byteStringFromText as bytes } from "../../domain/byte-string.ts";
import { id, makeScene, newState, oldState, read } from "../../testing/swap-scene.ts";
import { realDisk, type SwapDisk } from "./swap-disk.ts";
import { carryOut } from "./swap-recovery.ts";

const installLive = (): Promise<void> => Promise.reject(new Error("there are no live targets"));

function refused(): NodeJS.ErrnoException {
  return Object.assign(new Error("EPERM"), { code: "EPERM" });
}

test("place attributes: a folder that stays and belongs to another user keeps its attributes, whichever way the swap goes", async () => {
  for (const failing of ["", "absent"]) {
    const scene = makeScene();
    try {
      const root = join(scene.directory, "root");
      const disk: SwapDisk = { ...realDisk, setAttributes: () => Promise.reject(refused()) };
      // The last area, so that all others have been moved by then.
      disk.rename = async (from, to): Promise<void> => {
        if (to === join(root, failing)) throw new Error("EACCES");
        await realDisk.rename(from, to);
      };
      const store = scene.store(disk);
      await store.write(scene.journal);
      const warnings: string[] = [];
      const tools = { store, disk, installLive, warn: (text: string) => void warnings.push(text) };
      await carryOut(scene.journal, tools).catch((error: unknown) =>
        assert.equal(String(error), "Error: EACCES"),
      );
      assert.deepEqual(read(root), failing === "" ? newState : oldState);
      assert.equal((await store.read(id))?.state, failing === "" ? "kept" : undefined);
      const warning = `${join(root, "mount")} keeps its mode and time, for it belongs to another user`;
      assert.deepEqual(warnings, failing === "" ? [warning] : []);
    } finally {
      rmSync(scene.directory, { recursive: true });
    }
  }
});

test("place attributes: a folder that stays is closed by its new mode only when nothing in it changes any more", async () => {
  const scene = makeScene();
  try {
    const place = join(scene.directory, "root", "mount");
    const disk: SwapDisk = { ...realDisk };
    // As the system has it for everybody but root.
    disk.removeEmptyDirectories = async (path): Promise<void> => {
      if (dirname(path) === place && (statSync(place).mode & 0o200) === 0) throw refused();
      await realDisk.removeEmptyDirectories(path);
    };
    const areas = scene.journal.areas.map((area) => {
      const { attributes } = area;
      return attributes
        ? { ...area, attributes: { ...attributes, after: { ...attributes.after, mode: 0o555 } } }
        : area;
    });
    const store = scene.store(disk);
    await carryOut({ ...scene.journal, areas }, { store, disk, installLive, warn: assert.fail });
    const { mode, mtimeMs } = statSync(place);
    assert.deepEqual([mode & 0o777, mtimeMs], [0o555, 1000]);
    assert.deepEqual(read(join(scene.directory, "root")), newState);
  } finally {
    await realDisk.removeTree(bytes(scene.directory));
  }
});
