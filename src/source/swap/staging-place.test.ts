import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringFromText as bytes } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import { resolvePlace } from "./staging-place.ts";

async function inDirectory(check: (directory: string) => Promise<void>): Promise<void> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "place-")));
  try {
    await check(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("resolvePlace() finds what is there, through links above and at the end", async () => {
  await inDirectory(async (directory) => {
    mkdirSync(join(directory, "real"));
    writeFileSync(join(directory, "real", "é.db"), "");
    symlinkSync("real", join(directory, "link"));
    symlinkSync("link/é.db", join(directory, "last"));
    const expected = {
      path: bytes(join(directory, "real", "é.db")),
      state: "file",
      parent: bytes(join(directory, "real")),
      name: bytes("é.db"),
    };
    for (const path of ["real/é.db", "link/é.db", "last"]) {
      assert.deepEqual(await resolvePlace(join(directory, path)), expected, path);
    }
    assert.equal((await resolvePlace(join(directory, "link"))).state, "directory");
    assert.equal((await resolvePlace("/dev/null")).state, "special");
  });
});

test("resolvePlace() names the first folder that is missing, also behind a link that leads nowhere", async () => {
  await inDirectory(async (directory) => {
    symlinkSync("missing/deep", join(directory, "link"));
    for (const path of ["missing/deep/x", "link/x"]) {
      assert.deepEqual(await resolvePlace(join(directory, path)), {
        path: bytes(join(directory, "missing/deep/x")),
        state: "absent",
        parent: bytes(directory),
        name: bytes("missing"),
      });
    }
  });
});

test("resolvePlace() refuses links in a circle and what lies below a file", async () => {
  await inDirectory(async (directory) => {
    symlinkSync("b", join(directory, "a"));
    symlinkSync("a", join(directory, "b"));
    await assert.rejects(resolvePlace(join(directory, "a")), (error) => isBackupError(error, "unsafe"));
    writeFileSync(join(directory, "file"), "");
    await assert.rejects(resolvePlace(join(directory, "file", "x")), (error) =>
      isBackupError(error, "invalid-input"),
    );
  });
});
