import assert from "node:assert/strict";
import { chmod, chown, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openLocalPlace } from "../../testing/archive-vault-places.ts";
import { backUp, listedIds, noWait, signal, TestMachine } from "../../testing/vault-probe.ts";

/** The user that owns nothing: what a mode forbids is not forbidden to root. */
const nobody = 65534;

/** Runs `work` as somebody whom modes bind, who owns the folders. */
async function withoutRoot(folders: readonly string[], work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return await work();
  for (const folder of folders) await chown(folder, nobody, nobody);
  process.seteuid?.(nobody);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

test("a vault at the root of a disk is made, listed, cleaned and rotated beside a lost+found nobody may read", async () => {
  await using place = await openLocalPlace();
  const systemFolder = join(place.vault, "lost+found");
  await mkdir(systemFolder, { recursive: true });
  await chmod(systemFolder, 0);
  await withoutRoot([place.folder, place.vault], async () => {
    await assert.rejects(readdir(systemFolder), { code: "EACCES" });
    await using vault = await place.open(new TestMachine().process(1));
    const { backup } = await backUp(vault, place.folder);
    assert.deepEqual(await listedIds(vault), [backup.id]);
    assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
    await vault.exclusively((remover) => remover.remove([backup.id], signal), noWait, signal);
    assert.deepEqual(await listedIds(vault), []);
  });
  await chmod(systemFolder, 0o700);
});
