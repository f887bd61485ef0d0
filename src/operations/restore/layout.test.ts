import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringFromText as bytes } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import type { TargetPlace } from "../../source/swap/staging-place.ts";
import { sampleBackup } from "../../testing/sample-backup.ts";
import { withSidecars } from "../../source/sidecar-names.ts";
import { type Layout, type LayoutFacts, layOut, type PlacedTarget } from "./layout.ts";

const id = "20240101_120000-abcdef";
const [database] = sampleBackup().databases;
assert.ok(database);

function placed(
  kind: "database" | "folder",
  path: string,
  state: TargetPlace["state"] = kind === "database" ? "file" : "directory",
  parent: string = path.slice(0, path.lastIndexOf("/")),
): PlacedTarget {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const first = path.slice(parent.length + 1).split("/")[0] ?? "";
  assert.ok(database);
  return {
    target: kind === "database" ? { kind, name, path, database } : { kind, name, path },
    place: { path: bytes(path), state, parent: bytes(parent), name: bytes(first) },
  };
}

function layout(targets: readonly PlacedTarget[], facts: Partial<LayoutFacts> = {}): Layout {
  const plain = { restoreId: id, partial: false, live: false, mounts: new Set<never>(), own: [], keep: [] };
  return layOut(targets, { ...plain, ...facts });
}

test("layOut() builds each target beside itself and swaps it as a whole", () => {
  const { areas, staged } = layout([placed("database", "/srv/app.db"), placed("folder", "/srv/up")]);
  assert.deepEqual(staged.map(({ stagedPath }) => stagedPath).sort(), [
    `/srv/.app.db.vertex-restore-${id}/app.db`,
    `/srv/.up.vertex-restore-${id}/up`,
  ]);
  const slots = areas.flatMap((area) =>
    area.slots.map((slot) => `${area.place}/${slot.name} ${slot.database}`),
  );
  assert.deepEqual(slots.sort(), ["/srv/app.db true", "/srv/up false"]);
});

test("layOut() swaps the first folder that is missing, once for all targets below it", () => {
  const targets = [
    placed("database", "/srv/new/a/app.db", "absent", "/srv"),
    placed("folder", "/srv/new/up", "absent", "/srv"),
  ];
  const { areas, staged } = layout(targets);
  assert.equal(areas.length, 1);
  assert.deepEqual(areas[0]?.slots, [{ name: "new", arrives: true, database: false }]);
  assert.equal(areas[0]?.targets.length, 2);
  assert.deepEqual(staged.map(({ stagedPath }) => stagedPath).sort(), [
    `/srv/.new.vertex-restore-${id}/new/a/app.db`,
    `/srv/.new.vertex-restore-${id}/new/up`,
  ]);
});

test("layOut() builds what lies in a folder inside that folder", () => {
  const { areas, staged } = layout([placed("database", "/srv/data/x/app.db"), placed("folder", "/srv/data")]);
  const inner = staged.find(({ target }) => target.kind === "database");
  assert.equal(areas.length, 1);
  assert.equal(inner?.insideOf?.target.path, "/srv/data");
  assert.equal(inner?.stagedPath, `/srv/.data.vertex-restore-${id}/data/x/app.db`);
  assert.equal(inner?.builtPath.startsWith(`/srv/.data.vertex-restore-${id}/.inside-`), true);
});

test("layOut() swaps a mount point from within, a folder with what stays name by name", () => {
  const mount = layout([placed("folder", "/srv/up")], { mounts: new Set([bytes("/srv/up")]) });
  assert.equal(mount.areas[0]?.place, "/srv/up");
  assert.equal(mount.areas[0]?.container, `/srv/up/.vertex-restore-${id}`);
  assert.equal(mount.areas[0]?.previous, `/srv/up/.vertex-previous-${id}`);
  const holding = layout([placed("folder", "/srv/up")], { keep: [bytes("/srv/up/app.db")] });
  assert.equal(holding.areas[0]?.container, `/srv/.up.vertex-restore-${id}`);
  assert.deepEqual(holding.staged[0]?.oneByOne, { area: 0, replace: true });
  const partial = layout([placed("folder", "/srv/up")], { partial: true });
  assert.deepEqual(partial.staged[0]?.oneByOne, { area: 0, replace: false });
});

test("layOut() leaves a live database out of the swap, unless it is absent", () => {
  const { areas, live } = layout([placed("database", "/srv/app.db")], { live: true });
  assert.deepEqual(areas, []);
  assert.equal(live[0]?.imagePath, `/srv/.app.db.vertex-restore-${id}/app.db`);
  const absent = layout([placed("database", "/srv/app.db", "absent")], { live: true });
  assert.equal(absent.areas.length, 1);
});

test("layOut() refuses by name what cannot be done", () => {
  const refused: readonly [PlacedTarget, Partial<LayoutFacts>, RegExp][] = [
    [placed("database", "/srv/app.db", "directory"), {}, /is a directory/],
    [placed("folder", "/srv/up", "file"), {}, /is a file/],
    [placed("folder", "/srv/up", "special"), {}, /is a special/],
    [
      placed("folder", "/srv/up"),
      { mounts: new Set([bytes("/srv/up/cache")]) },
      /\/srv\/up\/cache is mounted inside/,
    ],
    [
      placed("database", "/srv/app.db"),
      { mounts: new Set([bytes("/srv/app.db")]) },
      /the file itself is a mount/,
    ],
    [placed("folder", "/backups/x", "absent"), { own: [bytes("/backups")] }, /backups are kept there/],
  ];
  for (const [target, facts, message] of refused) {
    assert.throws(
      () => layout([target], facts),
      (error) => isBackupError(error) && message.test(error.message) && error.hint !== undefined,
      String(message),
    );
  }
});

test("withSidecars() names all that SQLite keeps beside a database", () => {
  assert.deepEqual(withSidecars(bytes("/a")), ["/a", "/a-journal", "/a-wal", "/a-shm"]);
});
