import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { openLocalPlace } from "../../testing/archive-vault-places.ts";
import {
  backUp,
  makeFiles,
  readEverything,
  rejectsWith,
  signal,
  TestMachine,
} from "../../testing/vault-probe.ts";
import { openLooseFile } from "./open-loose-file.ts";

const machine = new TestMachine().process(1);
const stamp = "20240601_120000";

/** A full backup's files, copied flat into one folder, as people copy them. */
async function copiesOf(
  place: Awaited<ReturnType<typeof openLocalPlace>>,
  names: readonly string[],
): Promise<string> {
  const folder = join(place.folder, "copies");
  await mkdir(folder, { recursive: true });
  for (const name of names) await copyFile(join(place.vault, name), join(folder, name.split("/")[1] ?? name));
  return folder;
}

test("openLooseFile() gives a database with its metadata beside it as the vault would", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { content } = await backUp(vault, place.folder);
  const folder = await copiesOf(place, [
    `database/db_backup_${stamp}.db`,
    `database/db_backup_${stamp}.json`,
  ]);
  await using reader = await openLooseFile(join(folder, `db_backup_${stamp}.db`), signal);
  assert.deepEqual(
    [reader.backup.state, reader.backup.type, reader.backup.source],
    ["good", "database", "shop"],
  );
  const found = await readEverything(reader);
  assert.deepEqual([...found], [...content].slice(0, 1));
});

test("openLooseFile() gives a database without metadata as unverified, under its file's name", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { content } = await backUp(vault, place.folder);
  const folder = await copiesOf(place, [`database/db_backup_${stamp}.db`]);
  await writeFile(join(folder, "other.sqlite"), "some bytes");
  for (const [name, hex] of [
    [`db_backup_${stamp}.db`, content.get("database app.db")],
    ["other.sqlite", Buffer.from("some bytes").toString("hex")],
  ] as const) {
    await using reader = await openLooseFile(join(folder, name), signal);
    assert.equal(reader.backup.state, "unverified");
    assert.deepEqual(await readEverything(reader), new Map([[`database ${name}`, hex ?? ""]]));
  }
});

test("openLooseFile() notices a file that is not what its metadata says", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  await backUp(vault, place.folder);
  const folder = await copiesOf(place, [
    `database/db_backup_${stamp}.db`,
    `database/db_backup_${stamp}.json`,
  ]);
  const path = join(folder, `db_backup_${stamp}.db`);
  await truncate(path, 4_096);
  await using cut = await openLooseFile(path, signal);
  assert.equal(cut.backup.state, "damaged");
  await rejectsWith(readEverything(cut), "damaged");
  await writeFile(path, Buffer.alloc(8_192));
  await using changed = await openLooseFile(path, signal);
  await rejectsWith(readEverything(changed), "damaged");
});

test("openLooseFile() says that the metadata beside a file is damaged, and gives the file as unverified", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  await backUp(vault, place.folder);
  const folder = await copiesOf(place, [`database/db_backup_${stamp}.db`]);
  await writeFile(join(folder, `db_backup_${stamp}.json`), '{"format_version": 1}');
  await using reader = await openLooseFile(join(folder, `db_backup_${stamp}.db`), signal);
  assert.equal(reader.backup.state, "unverified");
  assert.match(reader.backup.stateReason, /^its metadata database\/db_backup_.*\.json is damaged: /);
});

test("openLooseFile() gives an archive, with and without what lay beside it", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { content } = await backUp(vault, place.folder);
  const files = new Map([...content].slice(1));
  const [archive, contents, metadata] = ["tar.gz", "contents.jsonl.gz", "json"].map(
    (suffix) => `storage/storage_backup_${stamp}.${suffix}`,
  ) as [string, string, string];
  for (const [beside, state] of [
    [[archive, contents, metadata], "good"],
    [[archive, metadata], "unverified"],
    [[archive], "unverified"],
  ] as const) {
    const folder = await copiesOf(place, beside);
    await using reader = await openLooseFile(join(folder, `storage_backup_${stamp}.tar.gz`), signal);
    assert.equal(reader.backup.state, state);
    assert.deepEqual(await readEverything(reader), files, beside.join());
    await rm(folder, { recursive: true });
  }
});

test("openLooseFile() reads what tar made", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vertex-loose-"));
  try {
    await makeFiles(folder, 1);
    await promisify(execFile)("tar", ["-czf", "made.tar.gz", "files"], { cwd: folder });
    await using reader = await openLooseFile(join(folder, "made.tar.gz"), signal);
    assert.deepEqual([reader.backup.state, reader.backup.type], ["unverified", "storage"]);
    const found = await readEverything(reader);
    assert.deepEqual([...found.keys()].sort(), [
      "files/",
      "files/kept.txt",
      "files/link",
      "files/sub",
      "files/sub/changing.bin",
      "files/zero",
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("openLooseFile() refuses what is not there and what is no backup file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vertex-loose-"));
  try {
    await rejectsWith(openLooseFile(join(folder, "gone.db"), signal), "not-found");
    await rejectsWith(openLooseFile(folder, signal), "not-found");
    await writeFile(join(folder, "notes.txt"), "x");
    await rejectsWith(openLooseFile(join(folder, "notes.txt"), signal), "invalid-input");
  } finally {
    await rm(folder, { recursive: true });
  }
});
