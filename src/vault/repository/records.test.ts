import assert from "node:assert/strict";
import { test } from "node:test";
import { isoWithOffset } from "../../domain/clock.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noonMs, rejectsWith, signal } from "../../testing/vault-probe.ts";
import type { VaultRecord } from "../vault.ts";
import { findDamagedRecords, listRecordNames, RepositoryRecords, repairRecords } from "./records.ts";

const backupId = "ab".repeat(32);
const pin: Omit<VaultRecord, "id"> = {
  kind: "pinned",
  backupId,
  at: isoWithOffset(noonMs),
  host: "probe",
  message: "the audit",
};

async function nameOf(storage: Storage): Promise<string> {
  const names = await Array.fromAsync(storage.list("vertex-backup/", signal), (object) => object.name);
  assert.equal(names.length, 1);
  return names[0] ?? "";
}

/** A repository with one record: its name, and what is stored under it. */
async function openPinned() {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const records = new RepositoryRecords(repo);
  await records.add(pin, signal);
  const name = await nameOf(storage);
  return { storage, repo, records, name, bytes: await readAll(storage, name, 10_000, signal) };
}

test("a record's text is nowhere to be read without the key", async () => {
  const { records, name, bytes } = await openPinned();
  assert.ok(!bytes.includes("audit") && !bytes.includes("probe"));
  assert.deepEqual(await records.list(signal), [{ ...pin, id: name }]);
});

test("a record whose name was made without the key is not believed", async () => {
  const { storage, repo, name, bytes, records } = await openPinned();
  const forged = [
    name.replace("pinned", "confirmed"),
    name.replace(backupId, "cd".repeat(32)),
    name.replace(`${noonMs}`, `${noonMs + 1}`),
    `${name.slice(0, -1)}${name.endsWith("0") ? "1" : "0"}`,
  ];
  for (const one of forged) await storage.put(one, bytes, signal);
  assert.equal((await listRecordNames(repo, signal)).length, 1);
  for (const one of forged) await assert.rejects(records.remove([{ ...pin, id: one }], signal), RangeError);
});

test("a record that is damaged, or holds another's text, still says what its name says", async () => {
  const { storage, records, name, bytes } = await openPinned();
  await storage.remove([name], signal);
  await records.add({ ...pin, kind: "confirmed", message: "fine" }, signal);
  const other = await nameOf(storage);
  const swapped = await readAll(storage, other, 10_000, signal);
  await storage.remove([other], signal);
  for (const wrong of [bytes.subarray(0, 40), swapped]) {
    await storage.put(name, wrong, signal);
    assert.deepEqual(await records.list(signal), [{ ...pin, id: name, host: "", message: "" }]);
    await storage.remove([name], signal);
  }
});

test("add() refuses ids and times that no record can have", async () => {
  const records = new RepositoryRecords(await openTestRepository(new MemoryStorage()));
  for (const wrong of [{ backupId: "../x" }, { backupId: "latest" }, { at: "soon" }]) {
    await rejectsWith(records.add({ ...pin, ...wrong }, signal), "invalid-input");
  }
});

test("repairRecords() writes a record anew of which any byte was changed, and keeps what its name says", async () => {
  const { storage, repo, name, bytes, records } = await openPinned();
  assert.deepEqual(await findDamagedRecords(repo, signal), []);
  for (const at of bytes.keys()) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (bytes[at] ?? 0) ^ 1;
    await storage.remove([name], signal);
    await storage.put(name, flipped, signal);
    assert.deepEqual(
      (await findDamagedRecords(repo, signal)).map(({ record }) => record.name),
      [name],
    );
  }
  await repairRecords(repo, signal);
  assert.deepEqual(await findDamagedRecords(repo, signal), []);
  const mended = { ...pin, host: "", message: "", id: await nameOf(storage) };
  assert.deepEqual(await records.list(signal), [mended]);
  assert.notEqual(mended.id, name);
});
