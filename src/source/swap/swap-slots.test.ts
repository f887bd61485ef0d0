import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { byteStringFromText as bytes } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import { planSlots, type SlotRules } from "./swap-slots.ts";

const { signal } = new AbortController();

interface Scene {
  /** Files of the folder as it is and as it was built; a name ending in "/" is a folder. */
  readonly current: readonly string[];
  readonly built: readonly string[];
  readonly rules?: {
    readonly replace?: boolean;
    readonly keep?: readonly string[];
    readonly databases?: readonly string[];
  };
  readonly link?: string;
}

function make(directory: string, names: readonly string[]): void {
  mkdirSync(directory, { recursive: true });
  for (const name of names) {
    mkdirSync(name.endsWith("/") ? join(directory, name) : dirname(join(directory, name)), {
      recursive: true,
    });
    if (!name.endsWith("/")) writeFileSync(join(directory, name), "");
  }
}

/** Slots as text: `+` arrives, `-` only goes, `d` database. */
async function slotsOf({ current, built, rules = {}, link }: Scene): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), "slots-"));
  try {
    const [place, staged] = [join(directory, "place"), join(directory, "built")];
    make(place, current);
    make(staged, built);
    if (link !== undefined) symlinkSync(directory, join(place, link));
    const inPlace = (names: readonly string[] = []): ReturnType<typeof bytes>[] =>
      names.map((name) => bytes(join(place, name)));
    const full: SlotRules = {
      place: bytes(place),
      staged: bytes(staged),
      replace: rules.replace ?? true,
      keep: inPlace(rules.keep),
      databases: new Set(inPlace(rules.databases)),
    };
    const slots = await planSlots(full, signal);
    return slots
      .map(({ name, arrives, database }) => `${arrives ? "+" : "-"}${database ? "d" : ""}${name}`)
      .sort();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const isUnsafe = (error: unknown): boolean => isBackupError(error, "unsafe");

test("planSlots() replaces a folder by its names, whole folders at once", async () => {
  const slots = await slotsOf({ current: ["a/x", "b", "gone/y"], built: ["a/z", "b", "new/"] });
  assert.deepEqual(slots, ["+a", "+b", "+new", "-gone"]);
});

test("planSlots() for a part takes only what was built, as deep as folders are there already", async () => {
  const slots = await slotsOf({
    current: ["a/x", "a/deep/y", "b"],
    built: ["a/deep/y", "a/new/z", "c"],
    rules: { replace: false },
  });
  assert.deepEqual(slots, ["+a/deep/y", "+a/new", "+c"]);
});

test("planSlots() goes around what stays", async () => {
  const slots = await slotsOf({
    current: ["a/x", "a/keep.db", "a/keep.db-wal", "backups/full/1", "b"],
    built: ["a/x", "a/keep.db", "b"],
    rules: { keep: ["a/keep.db", "a/keep.db-wal", "backups"] },
  });
  assert.deepEqual(slots, ["+a/x", "+b"]);
  const withoutFolder = await slotsOf({
    current: ["a/x", "a/keep"],
    built: ["b"],
    rules: { keep: ["a/keep"] },
  });
  assert.deepEqual(withoutFolder, ["+b", "-a/x"]);
});

test("planSlots() marks databases and leaves out what restores keep", async () => {
  const slots = await slotsOf({
    current: ["a.db", ".a.db.vertex-previous-20240101_120000-abcdef/a.db"],
    built: ["a.db", ".vertex-restore-20240101_120000-abcdef/x"],
    rules: { databases: ["a.db"] },
  });
  assert.deepEqual(slots, ["+da.db"]);
});

test("planSlots() refuses a part in whose way something of another kind is", async () => {
  const rules = { replace: false };
  await assert.rejects(slotsOf({ current: ["a/x"], built: ["a"], rules }), isUnsafe);
  await assert.rejects(slotsOf({ current: ["a"], built: ["a/x"], rules }), isUnsafe);
  await assert.rejects(slotsOf({ current: [], built: ["link/x"], link: "link", rules }), isUnsafe);
  await assert.rejects(slotsOf({ current: ["a/k"], built: ["a"], rules: { keep: ["a/k"] } }), isUnsafe);
});
