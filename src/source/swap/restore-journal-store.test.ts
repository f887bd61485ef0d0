import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type ByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import type { RestoreJournal } from "./restore-journal.ts";
import { tryLockFile } from "./restore-journal-lock.ts";
import { RestoreJournalStore } from "./restore-journal-store.ts";
import { isRestoreLeftover } from "./staging-names.ts";
import { realDisk } from "./swap-disk.ts";

const { signal } = new AbortController();

const journal: RestoreJournal = {
  id: "20240101_120000-abcdef",
  kind: "restore",
  owner: { host: "h", bootId: "b", pid: 1, pidNamespace: "n", startedTicks: "1" },
  startedAtMs: 0,
  backupId: "db_backup_20240101_120000",
  state: "building",
  areas: [],
  live: [],
};

async function inStore(
  check: (store: RestoreJournalStore, directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "journal-"));
  try {
    await check(new RestoreJournalStore(directory, realDisk), join(directory, "restores"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("RestoreJournalStore gives back what was written, and nothing where nothing was", async () => {
  await inStore(async (store) => {
    assert.deepEqual(await store.list(), []);
    await store.write(journal);
    await store.write({ ...journal, state: "staged" });
    assert.deepEqual(await store.list(), [{ ...journal, state: "staged" }]);
    await store.remove(journal.id);
    assert.equal(await store.read(journal.id), undefined);
  });
});

test("RestoreJournalStore names a journal that is damaged or too new", async () => {
  await inStore(async (store, directory) => {
    mkdirSync(directory);
    const path = join(directory, `${journal.id}.json`);
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      ...['{"formatVersion":1}', '{"formatVersion":"1","areas":[]}', '{"formatVersion":2,"areas":[]}'],
    ]) {
      writeFileSync(path, text);
      await assert.rejects(
        store.list(),
        (error) => isBackupError(error, "damaged") && error.message.includes(path),
        text,
      );
    }
    writeFileSync(path, '{"formatVersion":3,"areas":[]}');
    await assert.rejects(store.list(), (error) => isBackupError(error, "unsupported"));
  });
});

test("RestoreJournalStore believes no journal of which a byte changed, its end is missing, or that is another's", async () => {
  await inStore(async (store, directory) => {
    const area = { slots: [], targets: [] };
    const paths = ["/srv/café", "/srv/.a.vertex-restore-1", "/srv", "/srv/.p"].map(byteStringFromText);
    const [place, staging, container, previous] = paths as [ByteString, ByteString, ByteString, ByteString];
    const written = { ...journal, areas: [{ ...area, place, staging, container, previous }] };
    await store.write(written);
    const path = join(directory, `${journal.id}.json`);
    const whole = readFileSync(path);
    assert.deepEqual(await store.read(journal.id), written);
    const refused = (error: unknown): boolean => isBackupError(error, "damaged", "unsupported");
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
      writeFileSync(path, flipped);
      await assert.rejects(store.read(journal.id), refused, `byte ${at}`);
      writeFileSync(path, whole.subarray(0, at));
      await assert.rejects(store.read(journal.id), refused, `cut at ${at}`);
    }
    const other = "20240101_120000-abcdee";
    writeFileSync(join(directory, `${other}.json`), whole);
    await assert.rejects(store.read(other), refused);
  });
});

test("RestoreJournalStore reads what the version without a checksum wrote", async () => {
  await inStore(async (store, directory) => {
    mkdirSync(directory);
    writeFileSync(join(directory, `${journal.id}.json`), JSON.stringify({ formatVersion: 1, ...journal }));
    assert.deepEqual(await store.list(), [journal]);
  });
});

test("RestoreJournalStore lets one at a time claim", async () => {
  await inStore(async (store) => {
    let inside = 0;
    const claim = async (): Promise<void> => {
      assert.equal(++inside, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => store.exclusively(claim, signal)));
    await assert.rejects(store.exclusively(() => store.exclusively(claim, AbortSignal.timeout(30)), signal));
  });
});

test("tryLockFile() is refused while anybody holds the lock, and not after the holder was killed", async () => {
  await inStore(async (_, directory) => {
    mkdirSync(directory);
    const path = join(directory, "x.lock");
    const program = `
      import { tryLockFile } from ${JSON.stringify(import.meta.resolve("./restore-journal-lock.ts"))};
      globalThis.held = tryLockFile(${JSON.stringify(path)});
      console.log("held");
      setInterval(() => undefined, 1000);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    assert.equal(tryLockFile(path), undefined);
    child.kill("SIGKILL");
    await once(child, "exit");
    using held = tryLockFile(path);
    assert.notEqual(held, undefined);
    assert.equal(tryLockFile(path), undefined);
  });
});

test("tryLockFile() says what is wrong with a place it cannot lock in", async () => {
  await inStore((_, directory) => {
    assert.throws(
      () => tryLockFile(join(directory, "none", "x.lock")),
      (error) => isBackupError(error, "storage-unavailable") && error.message.includes("none/x.lock"),
    );
    return Promise.resolve();
  });
});

test("isRestoreLeftover() knows the names of restores and no others", () => {
  const id = journal.id;
  for (const name of [`.a.vertex-restore-${id}`, `.vertex-previous-${id}`])
    assert.ok(isRestoreLeftover(name), name);
  for (const name of [
    "a",
    ".vertex-restore-",
    `a.vertex-restore-${id}`,
    `.a.vertex-restore-${id}x`,
    ".vertex",
  ]) {
    assert.ok(!isRestoreLeftover(name), name);
  }
});
