import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isBackupError } from "../../src/domain/error.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import { acquireLock } from "../../src/vault/repository/locks/acquire-lock.ts";
import { cleanLocks, listLocks, removeStaleLocks } from "../../src/vault/repository/locks/list-locks.ts";
import type { Repository } from "../../src/vault/repository/repository.ts";
import { ResticPlace, resultOf, signal } from "./restic.ts";

const noWait = { lockWaitMs: 0, observer: silentObserver };
const shared = { ...noWait, exclusive: false };
const exclusive = { ...noWait, exclusive: true };

const isLocked = (error: unknown): boolean => isBackupError(error, "locked");

async function lockFiles(place: ResticPlace): Promise<readonly string[]> {
  return await readdir(join(place.repo, "locks")).catch(() => []);
}

async function release(child: ChildProcessWithoutNullStreams): Promise<void> {
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.stdin.end("");
  await ended;
}

/** Another process of ours that takes an exclusive lock and is killed. */
async function leaveDeadLock(place: ResticPlace): Promise<void> {
  const holder = new URL("./lock-holder.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [holder, place.repo, place.password]);
  child.stdout.once("data", () => child.kill("SIGKILL"));
  await resultOf(child);
  assert.equal((await lockFiles(place)).length, 1);
}

async function backUpSomething(place: ResticPlace) {
  return await place.run(["backup", "--stdin"], { input: "something" });
}

test("restic refuses to work beside our exclusive lock, and does not take it for stale", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  const lock = await acquireLock(repo, exclusive, signal);
  const refused = await backUpSomething(place);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /already locked exclusively by PID \d+ on /);
  assert.match(refused.stderr, new RegExp(`PID ${process.pid} `));
  await place.ok("unlock");
  await lock.assertHeld(signal);
  await lock.refresh(signal);
  assert.notEqual((await backUpSomething(place)).code, 0);
  assert.deepEqual((await place.ok("list", "locks", "--no-lock")).trim(), lock.ids[0]);
  const shown = JSON.parse(await place.ok("cat", "lock", lock.ids[0] ?? "", "--no-lock"));
  assert.deepEqual([shown.exclusive, shown.pid], [true, process.pid]);
  await lock.release();
  assert.equal((await backUpSomething(place)).code, 0);
});

test("restic works beside our shared lock, unless it wants to be alone", async () => {
  await using place = await ResticPlace.open();
  const lock = await acquireLock(await place.create(), shared, signal);
  assert.equal((await backUpSomething(place)).code, 0);
  const alone = await place.run(["prune"]);
  assert.notEqual(alone.code, 0);
  assert.match(alone.stderr, /already locked by PID/);
  await lock.release();
  await place.ok("prune");
  await place.ok("check", "--read-data");
});

test("we refuse to work beside restic's exclusive lock, and go on when it ends", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  const child = await place.startLocked("exclusive");
  await assert.rejects(acquireLock(repo, shared, signal), isLocked);
  await assert.rejects(acquireLock(repo, exclusive, signal), isLocked);
  assert.deepEqual(await removeStaleLocks(repo, { all: false }, signal), []);
  const waiting = acquireLock(repo, { ...exclusive, lockWaitMs: 600_000 }, signal);
  await release(child);
  await (await waiting).release();
  assert.deepEqual(await lockFiles(place), []);
});

test("we work beside restic's shared lock, unless we want to be alone", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  const child = await place.startLocked("shared");
  await (await acquireLock(repo, shared, signal)).release();
  await assert.rejects(acquireLock(repo, exclusive, signal), isLocked);
  const [lock] = await listLocks(repo, signal);
  assert.deepEqual([lock?.pid, lock?.exclusive], [child.pid, false]);
  await release(child);
  await (await acquireLock(repo, exclusive, signal)).release();
});

test("unlock recognises the lock of a restic that was killed", async () => {
  for (const kind of ["shared", "exclusive"] as const) {
    await using place = await ResticPlace.open();
    const repo = await place.create();
    const child = await place.startLocked(kind);
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
    await assert.rejects(acquireLock(repo, exclusive, signal), isLocked);
    // Unasked only once it would have been refreshed: a missing pid alone proves nothing.
    assert.equal(await cleanLocks(repo, signal), 0);
    const later: Repository = {
      ...repo,
      clock: { ...repo.clock, now: () => Date.now() + 8 * 60_000 },
    };
    const removed = await removeStaleLocks(repo, { all: false }, signal);
    assert.deepEqual(
      removed.map((lock) => [lock.pid, lock.exclusive]),
      [[child.pid, kind === "exclusive"]],
    );
    assert.equal(await cleanLocks(later, signal), 0, "nothing is left");
    await (await acquireLock(repo, exclusive, signal)).release();
  }
});

test("restic recognises our lock whose process was killed, and we break it at once", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  await leaveDeadLock(place);
  assert.notEqual((await backUpSomething(place)).code, 0);
  await place.ok("unlock");
  assert.deepEqual(await lockFiles(place), []);
  await leaveDeadLock(place);
  await (await acquireLock(repo, exclusive, signal)).release();
  assert.equal((await backUpSomething(place)).code, 0);
  await leaveDeadLock(place);
  assert.equal(await cleanLocks(repo, signal), 1);
  assert.equal((await backUpSomething(place)).code, 0);
});

test("a lock of restic that is half written keeps us out", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  const child = await place.startLocked("shared");
  const [name = ""] = await lockFiles(place);
  child.kill("SIGKILL");
  const path = join(place.repo, "locks", name);
  await truncate(path, Math.floor((await stat(path)).size / 2));
  await assert.rejects(acquireLock(repo, shared, signal), isLocked);
  await truncate(path, 0);
  await (await acquireLock(repo, exclusive, signal)).release();
});

test("of many at once, ours and restic's, only one is ever alone", async () => {
  await using place = await ResticPlace.open();
  const repo = await place.create();
  await backUpSomething(place);
  let ours = 0;
  let theirs = 0;
  const working = async (): Promise<void> => {
    for (let i = 0; i < 6; i++) {
      const lock = await acquireLock(repo, { ...exclusive, lockWaitMs: 600_000 }, signal);
      // restic's lock files may come and go, but it never gets to work.
      await lock.assertHeld(signal);
      await sleep(60);
      ours++;
      await lock.release();
    }
  };
  const pruning = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) {
      const { code, stderr } = await place.run(["prune"]);
      if (code === 0) theirs++;
      else assert.match(stderr, /already locked/);
    }
  };
  await Promise.all([working(), working(), pruning()]);
  assert.equal(ours, 12);
  assert.ok(theirs <= 4);
  await place.ok("check", "--read-data");
  assert.deepEqual(await lockFiles(place), []);
});
