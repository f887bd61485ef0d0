import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../../src/domain/error.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import { RepositoryKeyRing } from "../../src/vault/repository/key-ring.ts";
import { loadIndex } from "../../src/vault/repository/load-index.ts";
import { listObjects } from "../../src/vault/repository/objects.ts";
import { ResticPlace, signal } from "./restic.ts";

const who = { username: "ann", host: "desk", observer: silentObserver, lockWaitMs: 0 };

test("restic takes a repository of ours for its own", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create("as-users");
  const config = JSON.parse(await place.ok("cat", "config"));
  assert.deepEqual(config, {
    version: 2,
    id: repo.config.id,
    chunker_polynomial: repo.config.chunkerPolynomial.toString(16),
  });
  assert.match(await place.ok("key", "list"), new RegExp(`\\*${repo.keyId.slice(0, 8)}`));
  await place.run(["backup", "--stdin"], { input: "something" });
  await place.ok("check", "--read-data");
});

test("files of a repository of ours are private, and as restic's stand beside restic's", async () => {
  await using place = await ResticPlace.open();
  await place.create();
  await place.run(["backup", "--stdin"], { input: "something" });
  for (const name of await readdir(place.repo, { recursive: true })) {
    const stats = await stat(join(place.repo, name));
    assert.equal(stats.mode & 0o077, 0, name);
  }
});

test("we open what restic makes, of both versions, and read its index", async () => {
  for (const version of ["1", "2"]) {
    await using place = await ResticPlace.open();
    await place.ok("init", "--repository-version", version);
    for (const input of ["one", "two"]) await place.run(["backup", "--stdin"], { input });
    const repo = await place.connect();
    assert.equal(repo.config.version, Number(version));
    const { index, files, damaged } = await loadIndex(repo, signal);
    assert.deepEqual([files.length, damaged.length], [2, 0]);
    const packs = [...index.packs()];
    assert.deepEqual(
      packs.map(({ id }) => id).sort(),
      (await listObjects(repo, "data", signal)).map(({ id }) => id).sort(),
    );
    const blobs = (await place.ok("list", "blobs")).trim().split("\n").sort();
    const ours = packs.flatMap((pack) => pack.blobs.map(({ type, id }) => `${type} ${id}`));
    assert.deepEqual(ours.sort(), blobs);
    await assert.rejects(place.connect("falsch"), (error) => isBackupError(error, "wrong-password"));
  }
});

test("passwords that we add and change open with restic, and the other way round", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  const ring = new RepositoryKeyRing(repo);
  const id = await ring.add("zweites", who, signal);
  const listed = await place.run(["key", "list", "--json"], { password: "zweites" });
  const keys: { id: string; current: boolean; userName: string; hostName: string }[] = JSON.parse(
    listed.stdout,
  );
  const current = keys.find((key) => key.current);
  assert.deepEqual([current?.userName, current?.hostName], ["ann", "desk"]);
  assert.ok(id.startsWith(current?.id ?? "?"));

  const added = await place.run(["key", "add"], { input: "drittes\ndrittes\n" });
  assert.equal(added.code, 0, added.stderr);
  const byThird = await place.connect("drittes");
  await new RepositoryKeyRing(byThird).remove(id, who, signal);
  assert.notEqual((await place.run(["key", "list"], { password: "zweites" })).code, 0);

  await ring.changePassword("neues", who, signal);
  assert.notEqual((await place.run(["key", "list"])).code, 0);
  assert.equal((await place.run(["check", "--read-data"], { password: "neues" })).code, 0);
  const changed = await place.run(["key", "passwd"], { input: "letztes\nletztes\n", password: "neues" });
  assert.equal(changed.code, 0, changed.stderr);
  await place.connect("letztes");
  await assert.rejects(place.connect("neues"), (error) => isBackupError(error, "wrong-password"));
});
