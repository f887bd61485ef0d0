import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { newMasterKey, sealBox } from "./crypto-box.ts";
import { chooseCost, encodeKeyFile, openKeyFile, parseKeyFile, sealKeyFile } from "./keys.ts";

const owner = { created: "2026-11-23T09:12:16.081307484Z", username: "root", hostname: "vm" };
const cheap = { N: 1024, r: 8, p: 1 };

/** What `restic init` of Debian's restic 0.14.0 wrote, with the password "geheim". */
const resticKeyFile =
  '{"created":"2026-11-23T09:12:16.081307484Z","username":"root","hostname":"vm","kdf":"scrypt","N":32768,' +
  '"r":8,"p":8,"salt":"BGAd+Ij1JYgp5uMmP9Zz27JJtM2SYfLT1sL5QZDq8z/isMI1Oz4LYvkOZKCulX+3+YdacsHCJpuUWhL49bZhIA==",' +
  '"data":"yo9/c/ThJ2rOpQuLL1+3wVTd153bIotHfesX/LEKfVZ1fKnDlr5MYMQXejdpUSgZGc3HHM9pKFyX6BtDdXoFsk/hNS0XSkf2Dz/' +
  "OsnUVEAv3OJ2/MnL0oS4/uBUkJ1bkw/IQGr07oTZ4keRL97iqUwTQBeMfwphtRjJqZIZpUfONq+GFj8SnnE+PDAGLiMiLhqlAbf7B/MNYT9qf" +
  'YyLSJA=="}';
/** What `restic cat masterkey` said of it. */
const resticEncrypt = "dMMLWAnQ2NkRxgoThUQvMs11XEp987qf5X23C4eu3dI=";

function changed(fields: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(JSON.stringify({ ...JSON.parse(resticKeyFile), ...fields }));
}

test("openKeyFile() opens a key of restic 0.14, and knows a wrong password from a damaged file", async () => {
  const key = parseKeyFile(Buffer.from(resticKeyFile));
  const master = await openKeyFile(key, "geheim");
  assert.equal(Buffer.from(master!.encrypt).toString("base64"), resticEncrypt);
  assert.equal(await openKeyFile({ ...key, N: 1024, p: 1 }, "geheim"), undefined);
});

test("encodeKeyFile() writes restic's bytes", () => {
  assert.equal(encodeKeyFile(parseKeyFile(Buffer.from(resticKeyFile))).toString(), resticKeyFile);
});

test("sealKeyFile() makes a file that its password opens, and no other", async () => {
  const master = newMasterKey();
  for (const password of ["geheim", "", "пароль 🔑", "a\u0301"]) {
    const key = await sealKeyFile(master, password, owner, cheap);
    const read = parseKeyFile(encodeKeyFile(key));
    assert.deepEqual(await openKeyFile(read, password), {
      encrypt: new Uint8Array(master.encrypt),
      mac: { k: new Uint8Array(master.mac.k), r: new Uint8Array(master.mac.r) },
    });
    assert.equal(await openKeyFile(read, `${password} `), undefined);
  }
});

test("sealKeyFile() takes another salt each time", async () => {
  const [one, two] = await Promise.all([1, 2].map(() => sealKeyFile(newMasterKey(), "same", owner, cheap)));
  assert.notDeepEqual(one!.salt, two!.salt);
  assert.equal(one!.salt.length, 64);
});

test("sealKeyFile() is by itself at least as costly to guess as a key of restic 0.14", async () => {
  const key = await sealKeyFile(newMasterKey(), "geheim", owner);
  // The most that restic 0.14 chooses on our reference machine: N 32768, r 8, p 9.
  assert.ok(key.N * key.r >= 32_768 * 8, `N ${key.N} r ${key.r}`);
  assert.ok(key.N * key.r * key.p >= 32_768 * 8 * 9, `N ${key.N} r ${key.r} p ${key.p}`);
});

test("chooseCost() asks more of a fast machine, and never less than the floor or more than it opens", () => {
  assert.deepEqual(chooseCost(100), { N: 32_768, r: 8, p: 9 });
  assert.deepEqual(chooseCost(30), { N: 32_768, r: 8, p: 18 });
  assert.deepEqual(chooseCost(50_000), { N: 32_768, r: 8, p: 9 });
  assert.deepEqual(chooseCost(0), { N: 32_768, r: 8, p: 64 });
});

test("chooseCost() takes no fewer passes than restic where the trial came out up to 6 % slower than restic's", () => {
  for (let passMs = 25; passMs < 63; passMs += 0.125) {
    const restic = Math.floor(500 / passMs);
    const ours = [1, 1.03, 1.06].map((slower) => chooseCost(passMs * slower).p);
    assert.ok(Math.min(...ours) >= restic, `at ${passMs} ms: ${ours} passes, restic takes ${restic}`);
    assert.ok(
      Math.max(...ours) <= Math.max(9, restic + 2),
      `at ${passMs} ms: ${ours} passes, restic takes ${restic}`,
    );
  }
});

test("openKeyFile() refuses costs that no program chooses, before it spends them", async () => {
  const key = parseKeyFile(Buffer.from(resticKeyFile));
  const hostile = [
    { N: 2 ** 30, r: 8, p: 1 },
    { N: 2 ** 52, r: 2 ** 52, p: 2 ** 52 },
    { N: 32_768, r: 8, p: 10_000_000 },
    { N: 32_768, r: 1_000_000, p: 1 },
    { N: 2, r: 1, p: 2 ** 30 },
  ];
  for (const cost of hostile) {
    await assert.rejects(openKeyFile({ ...key, ...cost }, "geheim"), (error) =>
      isBackupError(error, "unsafe"),
    );
  }
});

test("openKeyFile() calls costs damaged that scrypt cannot have", async () => {
  const key = parseKeyFile(Buffer.from(resticKeyFile));
  for (const cost of [{ N: 0 }, { N: 1 }, { N: 1000 }, { N: -2 }, { r: 0 }, { p: 0 }, { r: -8 }, { p: -1 }]) {
    await assert.rejects(openKeyFile({ ...key, ...cost }, "geheim"), (error) =>
      isBackupError(error, "damaged"),
    );
  }
});

test("openKeyFile() calls a key damaged whose envelope opens and holds no master key", async () => {
  const key = await sealKeyFile(newMasterKey(), "geheim", owner, cheap);
  const derived = scryptSync("geheim", key.salt, 64, cheap);
  const userKey = {
    encrypt: derived.subarray(0, 32),
    mac: { k: derived.subarray(32, 48), r: derived.subarray(48) },
  };
  const data = sealBox(userKey, Buffer.from("{}"));
  await assert.rejects(openKeyFile({ ...key, data }, "geheim"), (error) => isBackupError(error, "damaged"));
});

test("parseKeyFile() refuses what is not a key file", () => {
  const damaged = [
    Buffer.alloc(0),
    Buffer.from("null"),
    Buffer.from("[]"),
    Buffer.from(resticKeyFile.slice(0, -2)),
    Buffer.alloc(100_000, " "),
    changed({ N: "32768" }),
    changed({ p: 1.5 }),
    changed({ r: undefined }),
    changed({ salt: "c2hvcnQ=" }),
    changed({ salt: 5 }),
    changed({ username: [] }),
    changed({ kdf: undefined }),
  ];
  for (const bytes of damaged) {
    assert.throws(
      () => parseKeyFile(bytes),
      (error) => isBackupError(error, "damaged"),
      bytes.toString().slice(0, 80),
    );
  }
  assert.throws(
    () => parseKeyFile(changed({ kdf: "argon2id" })),
    (error) => isBackupError(error, "unsupported"),
  );
});
