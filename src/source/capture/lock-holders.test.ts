import assert from "node:assert/strict";
import {
  type BigIntStats,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { explainLocked, parseHolders } from "./lock-holders.ts";

test("parseHolders() names who locks every reader's bytes of this file, and nobody else", () => {
  const locks = [
    "1: POSIX  ADVISORY  WRITE 100 fe:00:7 1073741824 1073742335",
    "1: -> POSIX  ADVISORY  WRITE 101 fe:00:7 1073741824 1073742335",
    "2: POSIX  ADVISORY  WRITE 102 fe:00:8 1073741824 1073742335",
    "3: POSIX  ADVISORY  READ 103 fe:00:7 1073741826 1073742335",
    "4: POSIX  ADVISORY  WRITE 104 fe:00:7 1073741825 1073741825",
    "5: OFDLCK ADVISORY  WRITE -1 fe:00:7 1073741826 1073742335",
    "6: FLOCK  ADVISORY  WRITE 106 fe:00:7 0 EOF",
    "7: POSIX  ADVISORY  WRITE 107 fe:00:7 0 EOF",
    "",
  ];
  const device = "fe:00";
  assert.deepEqual(
    parseHolders(locks.join("\n"), 7n),
    [100, 0, 107].map((pid) => ({ pid, device })),
  );
  assert.deepEqual(parseHolders("", 7n), []);
});

test("explainLocked() names a process only if it has this very file open, or the lock is on its file system", () => {
  const proc = mkdtempSync(join(tmpdir(), "lock-holders-"));
  try {
    const path = join(proc, "app.db");
    writeFileSync(path, "");
    const { ino } = statSync(path, { bigint: true });
    // Major number 254, minor 1: as an inode of /dev/vda1 has it.
    const database = { ino, dev: (254n << 8n) | 1n } as BigIntStats;
    const files = { database, journal: undefined, wal: undefined, shm: undefined };
    mkdirSync(join(proc, "100", "fd"), { recursive: true });
    symlinkSync(path, join(proc, "100", "fd", "3"));
    const told = (pid: number, device: string, looksAt = database): string => {
      writeFileSync(join(proc, "locks"), `1: POSIX  ADVISORY  WRITE ${pid} ${device}:${ino} 0 EOF\n`);
      return explainLocked({ ...files, database: looksAt }, "busy", false, proc);
    };
    const real = statSync(path, { bigint: true });
    assert.match(told(100, "ff:fff", real), /process 100 kept it locked/, "on btrfs the devices differ");
    assert.equal(
      told(100, "ff:fff"),
      "busy",
      "it holds a file of another file system that has the same number",
    );
    assert.equal(told(-1, "ff:fff"), "busy");
    assert.match(told(100, "fe:01"), /another program kept it locked/, "whoever it is");
    assert.match(told(-1, "fe:01"), /another program kept it locked/);
  } finally {
    rmSync(proc, { recursive: true });
  }
});
