import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHolders } from "./lock-holders.ts";

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
  assert.deepEqual(parseHolders(locks.join("\n"), 7n), [100, 0, 107]);
  assert.deepEqual(parseHolders("", 7n), []);
});
