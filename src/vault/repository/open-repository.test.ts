import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../domain/clock.ts";
import { isBackupError } from "../../domain/error.ts";
import { encodeConfig, parseConfig } from "../../format/restic/config.ts";
import { openBox, sealBox } from "../../format/restic/crypto-box.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";
import { FaultyStorage, faultModesOf } from "../../testing/faulty-storage.ts";
import { cheapCost, openTestRepository, testPassword } from "../../testing/test-repository.ts";
import { noWait, rejectsWith, signal, TestMachine } from "../../testing/vault-probe.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { acquireLock } from "./locks/acquire-lock.ts";
import { createRepository, isRepository, openRepository, type RepositoryOptions } from "./open-repository.ts";

const who = { username: "ann", host: "desk", ...noWait };

function options(storage: Storage, password = testPassword): RepositoryOptions {
  return {
    storage,
    password,
    machine: new TestMachine().process(1),
    clock: systemClock,
    toolVersion: "0.0.0-test",
  };
}

async function namesIn(storage: Storage): Promise<readonly string[]> {
  return (await Array.fromAsync(storage.list("", signal), (object) => object.name)).sort();
}

/** The same storage with another config. */
async function withConfig(storage: Storage, change: (plain: Buffer) => Uint8Array): Promise<void> {
  const repo = await openTestRepository(storage);
  const box = await readAll(storage, "config", 10_000, signal);
  await storage.remove(["config"], signal);
  await storage.put("config", sealBox(repo.key, change(openBox(repo.key, box))), signal);
}

test("createRepository() makes a key and a config, and openRepository() opens it with the password", async () => {
  const storage = new MemoryStorage();
  const made = await createRepository({ ...options(storage), keyCost: cheapCost }, signal);
  const names = await namesIn(storage);
  assert.deepEqual(names, ["config", `keys/${made.keyId}`]);
  const opened = await openRepository(options(storage), signal);
  assert.deepEqual([opened.config, opened.keyId, opened.key.encrypt.length], [made.config, made.keyId, 32]);
  assert.equal(made.config.version, 2);
  await rejectsWith(openRepository(options(storage, "wrong horse"), signal), "wrong-password");
});

test("createRepository() leaves alone what is there already", async () => {
  const taken = new MemoryStorage();
  await openTestRepository(taken);
  await rejectsWith(createRepository({ ...options(taken), keyCost: cheapCost }, signal), "exists");
  for (const name of ["data/ab/x", "notes.txt", ".vertex/vault.json", "keys/readme"]) {
    const storage = new MemoryStorage();
    await storage.put(name, Buffer.from("mine"), signal);
    await rejectsWith(createRepository({ ...options(storage), keyCost: cheapCost }, signal), "invalid-input");
    assert.deepEqual(await namesIn(storage), [name]);
  }
});

test("createRepository() refuses an empty password", async () => {
  const storage = new MemoryStorage();
  await rejectsWith(
    createRepository({ ...options(storage, ""), keyCost: cheapCost }, signal),
    "invalid-input",
  );
  assert.deepEqual(await namesIn(storage), []);
});

test("createRepository() goes on with one that was cut short, wherever that was", async () => {
  let tried = 0;
  for (const operation of ["put", "get", "stat", "list"] as const) {
    for (let nth = 1; nth <= 4; nth++) {
      for (const mode of faultModesOf(operation)) {
        const storage = new MemoryStorage();
        const faulty = new FaultyStorage(storage, { operation, nth, mode, crash: true });
        await createRepository({ ...options(faulty), keyCost: cheapCost }, signal).catch(() => undefined);
        if (!faulty.fired) continue;
        tried++;
        const repo = await openTestRepository(storage);
        assert.deepEqual(
          await namesIn(storage),
          ["config", `keys/${repo.keyId}`],
          `${mode} ${operation} ${nth}`,
        );
      }
    }
  }
  assert.ok(tried >= 8, `${tried} interruptions were tried`);
});

test("createRepository() by two at once makes one repository, and no key that opens nothing", async () => {
  const storage = new MemoryStorage();
  const both = await Promise.allSettled(
    [1, 2].map(() => createRepository({ ...options(storage), keyCost: cheapCost }, signal)),
  );
  assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
  const repo = await openTestRepository(storage);
  assert.deepEqual(await namesIn(storage), ["config", `keys/${repo.keyId}`]);
});

test("createRepository() that was overtaken leaves its key to who went on with it", async () => {
  const storage = new MemoryStorage();
  const slow: Storage = Object.assign(Object.create(storage) as Storage, {
    async put(name: string, content: Uint8Array, by: AbortSignal) {
      // Another run finds the key, goes on with it, and puts its config first.
      if (name === "config") await openTestRepository(storage);
      await storage.put(name, content, by);
    },
  });
  for (const method of ["get", "stat", "list", "remove"] as const) {
    Object.assign(slow, { [method]: (storage[method] as () => unknown).bind(storage) });
  }
  await rejectsWith(createRepository({ ...options(slow), keyCost: cheapCost }, signal), "exists");
  assert.equal((await namesIn(storage)).length, 2);
  await openRepository(options(storage), signal);
});

test("createRepository() does not touch what somebody began with another password", async () => {
  const storage = new MemoryStorage();
  const faulty = new FaultyStorage(storage, { operation: "put", nth: 2, mode: "before", crash: true });
  await createRepository({ ...options(faulty, "theirs"), keyCost: cheapCost }, signal).catch(() => undefined);
  const before = await namesIn(storage);
  await rejectsWith(createRepository({ ...options(storage), keyCost: cheapCost }, signal), "invalid-input");
  assert.deepEqual(await namesIn(storage), before);
});

test("openRepository() tells what is missing, damaged, or too new", async () => {
  await rejectsWith(openRepository(options(new MemoryStorage()), signal), "not-found");

  const newer = new MemoryStorage();
  await withConfig(newer, (plain) => Buffer.from(plain.toString().replace('"version":2', '"version":3')));
  await rejectsWith(openRepository(options(newer), signal), "unsupported");

  const reducible = new MemoryStorage();
  // Even: divisible by x.
  await withConfig(reducible, (plain) =>
    encodeConfig({ ...parseConfig(plain), chunkerPolynomial: 0x3da3358b4dc172n }),
  );
  await rejectsWith(openRepository(options(reducible), signal), "damaged");

  const keyless = new MemoryStorage();
  const { keyId } = await openTestRepository(keyless);
  const key = await readAll(keyless, `keys/${keyId}`, 10_000, signal);
  await keyless.remove([`keys/${keyId}`], signal);
  await rejectsWith(openRepository(options(keyless), signal), "damaged");
  key[100] = (key[100] ?? 0) ^ 1;
  await keyless.put(`keys/${keyId}`, key, signal);
  await assert.rejects(openRepository(options(keyless), signal), (error) => {
    return isBackupError(error, "damaged") && error.message.includes(keyId);
  });
});

test("openRepository() calls a flipped byte anywhere in config damaged", async () => {
  const storage = new MemoryStorage();
  await openTestRepository(storage);
  const config = await readAll(storage, "config", 10_000, signal);
  for (let i = 0; i < config.length; i += 7) {
    const bent = Buffer.from(config);
    bent[i] = (bent[i] ?? 0) ^ 0x10;
    await storage.remove(["config"], signal);
    await storage.put("config", bent, signal);
    await rejectsWith(openRepository(options(storage), signal), "damaged");
  }
});

test("openRepository() passes over a key of another master key, and over files that are no keys", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const elsewhere = new MemoryStorage();
  const other = await openTestRepository(elsewhere);
  const foreign = await readAll(elsewhere, `keys/${other.keyId}`, 10_000, signal);
  await storage.put(`keys/${other.keyId}`, foreign, signal);
  await storage.put("keys/README", Buffer.from("no key"), signal);
  assert.equal((await openRepository(options(storage), signal)).keyId, repo.keyId);
  await storage.remove([`keys/${repo.keyId}`], signal);
  await rejectsWith(openRepository(options(storage), signal), "damaged");
});

test("isRepository() tells by the config alone", async () => {
  const storage = new MemoryStorage();
  assert.equal(await isRepository(storage, signal), false);
  await openTestRepository(storage);
  assert.equal(await isRepository(storage, signal), true);
});

test("a key ring lists, adds and removes passwords, and each opens the same repository", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const ring = new RepositoryKeyRing(repo, { keyCost: cheapCost });
  const added = await ring.add("battery staple", who, signal);
  const keys = await ring.list(signal);
  assert.deepEqual(
    keys.map(({ id, current }) => [id, current]).sort(),
    [
      [repo.keyId, true],
      [added, false],
    ].sort(),
  );
  const key = keys.find(({ id }) => id === added);
  assert.deepEqual([key?.username, key?.host], ["ann", "desk"]);
  assert.ok(!Number.isNaN(Date.parse(key?.createdAt ?? "")));
  const byOther = await openRepository(options(storage, "battery staple"), signal);
  assert.deepEqual([byOther.keyId, byOther.config], [added, repo.config]);
  await ring.remove(added.slice(0, 10), noWait, signal);
  await rejectsWith(openRepository(options(storage, "battery staple"), signal), "wrong-password");
  assert.equal((await namesIn(storage)).filter((name) => name.startsWith("locks/")).length, 0);
});

test("a key ring never removes the key in use, the last one, or what it cannot tell apart", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const ring = new RepositoryKeyRing(repo, { keyCost: cheapCost });
  await rejectsWith(ring.remove(repo.keyId, noWait, signal), "unsafe");
  for (const id of ["", "latest", "f".repeat(64)])
    await rejectsWith(ring.remove(id, noWait, signal), "not-found");
  const other = await ring.add("battery staple", who, signal);
  const byOther = await openRepository(options(storage, "battery staple"), signal);
  await new RepositoryKeyRing(byOther, {}).remove(repo.keyId, noWait, signal);
  // The first ring's own key is gone: what it would remove now is the last.
  await rejectsWith(ring.remove(other, noWait, signal), "unsafe");
  assert.equal((await ring.list(signal)).length, 1);
});

test("a key ring waits for others as long as it is told, and for removals too", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const ring = new RepositoryKeyRing(repo, { keyCost: cheapCost });
  const added = await ring.add("battery staple", who, signal);
  const other = { ...repo, machine: new TestMachine().process(2) };
  await using _held = await acquireLock(other, { ...noWait, exclusive: true }, signal);
  await rejectsWith(ring.remove(added, noWait, signal), "locked");
  await rejectsWith(ring.add("another", who, signal), "locked");
  await rejectsWith(ring.changePassword("another", who, signal), "locked");
  assert.equal((await ring.list(signal)).length, 2);
});

test("changePassword() leaves a repository that opens, wherever it is cut short", async () => {
  let tried = 0;
  for (const operation of ["put", "get", "stat", "list", "remove"] as const) {
    for (let nth = 1; nth <= 6; nth++) {
      for (const mode of faultModesOf(operation)) {
        const storage = new MemoryStorage();
        const repo = await openTestRepository(storage);
        const faulty = new FaultyStorage(storage, { operation, nth, mode, crash: true });
        const ring = new RepositoryKeyRing({ ...repo, storage: faulty }, { keyCost: cheapCost });
        const changed = await ring.changePassword("new", who, signal).then(
          () => true,
          () => false,
        );
        if (!faulty.fired) continue;
        tried++;
        const opens = await Promise.all(
          [testPassword, "new"].map((password) =>
            openRepository(options(storage, password), signal).then(
              () => true,
              () => false,
            ),
          ),
        );
        assert.ok(opens.includes(true), `${mode} ${operation} ${nth}`);
        if (changed) assert.equal(opens[1], true, `${mode} ${operation} ${nth}`);
      }
    }
  }
  assert.ok(tried >= 15, `${tried} interruptions were tried`);
});

test("changePassword() takes the old password away, and the ring goes on with the new key", async () => {
  const storage = new MemoryStorage();
  const ring = new RepositoryKeyRing(await openTestRepository(storage), { keyCost: cheapCost });
  const id = await ring.changePassword("new", who, signal);
  await rejectsWith(openRepository(options(storage), signal), "wrong-password");
  assert.equal((await openRepository(options(storage, "new"), signal)).keyId, id);
  assert.deepEqual(
    (await ring.list(signal)).map((key) => [key.id, key.current]),
    [[id, true]],
  );
  await ring.changePassword("newer", who, signal);
  assert.equal((await ring.list(signal)).length, 1);
});
