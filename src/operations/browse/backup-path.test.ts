import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backup } from "../../domain/backup.ts";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import { placeInBackup } from "./backup-path.ts";

const backup = {
  id: "1",
  databases: [],
  roots: [{ name: "B\u00fccher", path: "/srv/B\u00fccher" }],
  files: [],
} as unknown as Backup;

/** Where the entry of these bytes stands to what is written so; and whether a search goes through the folders above it. */
function relation(written: string, path: string): readonly [string, boolean] {
  const found = placeInBackup(backup, written);
  assert.ok(found.at === "entry");
  const root = "B\u00fccher";
  const entry = { root, path: asByteString(path) };
  const parts = path.split("/");
  const above = parts.slice(1).map((_, i) => asByteString(parts.slice(0, i + 1).join("/")));
  return [found.place.relation(entry), above.every((folder) => found.place.isBelow({ root, path: folder }))];
}

test("placeInBackup() takes names as lists show them, in folders that are text or not", () => {
  const umlaut = byteStringFromText("\u00e4");
  const cases: readonly (readonly [string, string])[] = [
    ["B\u00fccher/b\\xff", "b\xff"],
    ["B\u00fccher/\u00e4/b\\xff", `${umlaut}/b\xff`],
    ["B\\xc3\\xbccher/\\xc3\\xa4/b\\xff", `${umlaut}/b\xff`],
    ["/srv/B\\xc3\\xbccher/b\\xff", "b\xff"],
    ["B\u00fccher/line\\x0abreak", "line\nbreak"],
    ["B\u00fccher/a\\u{202e}b", byteStringFromText("a\u202eb")],
    ["B\u00fccher/soft\\xad", byteStringFromText("soft\u00ad")],
    ["B\u00fccher/four\\xff", "four\\xff"],
    ["B\u00fccher/back\\\\slash\\x41", "back\\\\slash\\x41"],
  ];
  for (const [written, path] of cases) assert.deepEqual(relation(written, path), ["self", true], written);
  assert.deepEqual(relation("B\u00fccher/dir\\xfe", "dir\xfe/in"), ["child", false]);
  assert.deepEqual(relation("B\u00fccher/dir\\xfe", "dir\xff"), ["elsewhere", true]);
  assert.throws(
    () => placeInBackup(backup, "B\\xc3/b\\xff"),
    (error) => isBackupError(error, "not-found"),
  );
});
