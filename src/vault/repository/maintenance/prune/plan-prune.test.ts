import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../../../domain/error.ts";
import type { BlobType, IndexedPack, PackedBlob } from "../../../../format/restic/model.ts";
import { fc } from "../../../../testing/properties.ts";
import { BlobSet } from "../blob-set.ts";
import { packBytes } from "../pack-bytes.ts";
import { PackTable } from "./pack-table.ts";
import { type PackPlan, type PlanOptions, planPrune } from "./plan-prune.ts";

const mib = 1024 * 1024;
const defaults: PlanOptions = { version: 2, maxUnusedPercent: 5 };

interface Scene {
  packs: IndexedPack[];
  used: readonly PackedBlob[];
  stored: Map<string, number>;
}

function idOf(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}

/** A blob as a pack lists it; `plain` is one that is not compressed. */
function blob(name: string, length: number, type: BlobType = "data", plain = false): PackedBlob {
  return { id: idOf(name), type, offset: 0, length, ...(plain ? {} : { uncompressedLength: length * 2 }) };
}

function packOf(name: string, ...blobs: readonly PackedBlob[]): IndexedPack {
  let offset = 0;
  const placed = blobs.map((one) => {
    const at = { ...one, offset };
    offset += one.length;
    return at;
  });
  return { id: idOf(`pack ${name}`), blobs: placed };
}

function sizeOf(pack: IndexedPack): number {
  return packBytes(pack.blobs);
}

function sceneOf(packs: readonly IndexedPack[], used: readonly PackedBlob[]): Scene {
  return { packs: [...packs], used, stored: new Map(packs.map((pack) => [pack.id, sizeOf(pack)])) };
}

function usedSet(scene: Scene): BlobSet {
  const used = new BlobSet();
  for (const { id, type } of scene.used) used.add(id, type);
  return used;
}

function planOf(scene: Scene, options: PlanOptions = defaults): PackPlan {
  const table = new PackTable(usedSet(scene));
  for (const pack of scene.packs) table.add(pack);
  return planPrune(table, scene.stored, options);
}

function names(plan: PackPlan): { repack: string[]; remove: string[] } {
  return { repack: plan.repack.map(({ id }) => id), remove: plan.remove.map(({ id }) => id) };
}

/** What lies in the storage when the plan was carried out up to and with the new packs. */
function rewrite(scene: Scene, plan: PackPlan): Scene {
  const used = usedSet(scene);
  const wanted = plan.blobsToCopy.slice();
  const packs = [...scene.packs];
  const repacked = new Set(plan.repack.map(({ id }) => id));
  const copied = new Map<BlobType, PackedBlob[]>();
  for (const pack of scene.packs.filter(({ id }) => repacked.has(id))) {
    for (const one of pack.blobs) {
      const ordinal = used.ordinalOf(one.id, one.type);
      if (ordinal < 0 || wanted[ordinal] === 0) continue;
      wanted[ordinal] = 0;
      // As the store does in version 2: trees are compressed.
      const compressed = one.type === "tree" ? { ...one, uncompressedLength: one.length } : one;
      copied.set(one.type, [...(copied.get(one.type) ?? []), compressed]);
    }
  }
  for (const [type, blobs] of copied) packs.push(packOf(`new ${type} ${packs.length}`, ...blobs));
  assert.ok(
    wanted.every((one) => one === 0),
    "every blob that must be copied lies in a pack that is rewritten",
  );
  return sceneOf(packs, scene.used);
}

/** What lies in the storage at the end. */
function carryOut(scene: Scene, plan: PackPlan): Scene {
  const gone = new Set([...plan.repack, ...plan.remove].map(({ id }) => id).concat(plan.gone));
  const written = rewrite(scene, plan);
  return sceneOf(
    written.packs.filter(({ id }) => !gone.has(id)),
    scene.used,
  );
}

function assertWhole(scene: Scene): void {
  const there = new Set(scene.packs.flatMap(({ blobs }) => blobs.map(({ id, type }) => `${type} ${id}`)));
  for (const { id, type } of scene.used)
    assert.ok(there.has(`${type} ${id}`), `${type} ${id} is still there`);
}

const anyBlob = fc.record({
  name: fc.nat(40).map(String),
  length: fc.integer({ min: 32, max: 2 * mib }),
  type: fc.constantFrom<BlobType>("data", "data", "tree"),
  plain: fc.boolean(),
});
/** No writer puts one blob into a pack twice; several packs may hold it. */
const anyPack = fc.uniqueArray(anyBlob, {
  minLength: 1,
  maxLength: 8,
  selector: ({ name, type }) => `${type} ${name}`,
});
const anyScene = fc
  .record({
    packs: fc.array(anyPack, { maxLength: 25 }),
    used: fc.array(fc.boolean(), { minLength: 90, maxLength: 90 }),
  })
  .map(({ packs, used }) => {
    const built = packs.map((blobs, number) =>
      packOf(String(number), ...blobs.map((one) => blob(one.name, one.length, one.type, one.plain))),
    );
    const isUsed = ({ id, type }: PackedBlob): boolean =>
      used[(Number.parseInt(id.slice(0, 6), 16) * 2 + (type === "tree" ? 1 : 0)) % used.length] === true;
    const all = new Map(built.flatMap((pack) => pack.blobs.map((one) => [`${one.type} ${one.id}`, one])));
    return sceneOf(built, [...all.values()].filter(isUsed));
  });
const anyOptions = fc.record({
  version: fc.constantFrom<1 | 2>(1, 2),
  maxUnusedPercent: fc.constantFrom(0, 5, 50, 1e9),
});

test("planPrune() never plans a blob away that something needs", () => {
  fc.assert(
    fc.property(anyScene, anyOptions, (scene, options) => {
      assertWhole(carryOut(scene, planOf(scene, options)));
    }),
    { numRuns: 300 },
  );
});

test("planPrune() loses nothing where an earlier one was cut short before the old packs went, and uses what it wrote", () => {
  fc.assert(
    fc.property(anyScene, anyOptions, (scene, options) => {
      const cutShort = rewrite(scene, planOf(scene, options));
      const end = carryOut(cutShort, planOf(cutShort, options));
      assertWhole(end);
    }),
    { numRuns: 300 },
  );
});

test("planPrune() counts bytes so that they add up", () => {
  fc.assert(
    fc.property(anyScene, anyOptions, (scene, options) => {
      const { summary } = planOf(scene, options);
      assert.equal(summary.bytesFreed + summary.bytesUnusedAfter, summary.bytesUnused);
      assert.ok(summary.bytesUnusedAfter >= 0);
      assert.equal(
        summary.packsKept + summary.packsRepacked + summary.packsRemoved,
        scene.stored.size,
        "every pack is kept, rewritten or removed",
      );
    }),
    { numRuns: 200 },
  );
});

test("planPrune() leaves no more unused data than it may", () => {
  fc.assert(
    fc.property(anyScene, anyOptions, (scene, options) => {
      const { summary } = planOf(scene, options);
      assert.ok(summary.bytesUnusedAfter <= (summary.bytesUsed * options.maxUnusedPercent) / 100);
    }),
    { numRuns: 200 },
  );
});

test("planPrune() has nothing left to do after it was carried out", () => {
  fc.assert(
    fc.property(anyScene, (scene) => {
      const after = carryOut(scene, planOf(scene));
      const { summary } = planOf(after);
      assert.deepEqual([summary.packsRepacked, summary.packsRemoved, summary.bytesFreed], [0, 0, 0]);
    }),
    { numRuns: 200 },
  );
});

test("planPrune() removes what nothing needs and rewrites tree packs that are needed in part", () => {
  const [a, b, c] = [blob("a", 4 * mib), blob("b", 9 * mib), blob("c", 400, "tree")];
  const packs = [packOf("kept", a), packOf("unused", b), packOf("trees", c, blob("d", 300, "tree"))];
  const plan = planOf(sceneOf(packs, [a, c]));
  assert.deepEqual(names(plan), { repack: [packs[2]?.id], remove: [packs[1]?.id] });
  assert.equal(plan.summary.bytesUsed, 4 * mib + 400);
  assert.equal(plan.summary.bytesRepacked, sizeOf(packs[2] as IndexedPack));
  assert.equal(plan.summary.bytesFreed, sizeOf(packs[1] as IndexedPack) + 300);
});

test("planPrune() rewrites data packs until no more than the limit is unused, the emptiest first", () => {
  const used = [1, 2, 3].map((n) => blob(`used ${n}`, 4 * mib));
  const packs = used.map((one, n) => packOf(`half ${n}`, one, blob(`unused ${n}`, (n + 1) * mib)));
  const scene = sceneOf(packs, used);
  // 12 MiB are used, 6 unused: half may stay, a quarter, a twelfth, nothing.
  const repacked = (percent: number): string[] =>
    names(planOf(scene, { version: 2, maxUnusedPercent: percent })).repack;
  assert.deepEqual(repacked(50), []);
  assert.deepEqual(repacked(25), [packs[2]?.id]);
  assert.deepEqual(repacked(10), [packs[2]?.id, packs[1]?.id]);
  assert.deepEqual(repacked(0), [packs[2]?.id, packs[1]?.id, packs[0]?.id]);
  const repackedTo = (maxUnusedBytes: number): string[] =>
    names(planOf(scene, { version: 2, maxUnusedPercent: 5, maxUnusedBytes })).repack;
  assert.deepEqual(repackedTo(6 * mib), []);
  assert.deepEqual(repackedTo(3 * mib), [packs[2]?.id]);
  assert.deepEqual(repackedTo(0), [packs[2]?.id, packs[1]?.id, packs[0]?.id]);
});

test("planPrune() joins small packs once there are ten of them", () => {
  const used = Array.from({ length: 10 }, (_, n) => blob(`small ${n}`, 1000));
  const packs = used.map((one, n) => packOf(`small ${n}`, one));
  assert.equal(planOf(sceneOf(packs.slice(1), used.slice(1))).repack.length, 0);
  assert.equal(planOf(sceneOf(packs, used)).repack.length, 10);
});

test("planPrune() rewrites mixed packs, and in version 2 packs of trees that are not compressed", () => {
  const [tree, data, plain] = [blob("t", 900, "tree"), blob("d", 900), blob("p", 900, "tree", true)];
  const packs = [packOf("mixed", tree, data), packOf("plain", plain)];
  const scene = sceneOf(packs, [tree, data, plain]);
  assert.equal(planOf(scene, { version: 1, maxUnusedPercent: 5 }).repack.length, 1);
  assert.equal(planOf(scene, { version: 2, maxUnusedPercent: 5 }).repack.length, 2);
});

test("planPrune() rewrites nothing where any share may stay unused", () => {
  const tree = blob("t", 900, "tree");
  const scene = sceneOf([packOf("half", tree, blob("u", 800, "tree"))], [tree]);
  const plan = planOf(scene, { version: 2, maxUnusedPercent: Number.POSITIVE_INFINITY });
  assert.deepEqual(names(plan), { repack: [], remove: [] });
});

test("planPrune() removes packs no index lists, and forgets listed ones that are neither needed nor there", () => {
  const [a, b] = [blob("a", 2 * mib), blob("b", 2 * mib)];
  const scene = sceneOf([packOf("a", a), packOf("b", b)], [a]);
  scene.stored.set(idOf("pack left behind"), 12_345);
  scene.stored.delete(idOf("pack b"));
  const plan = planOf(scene);
  assert.deepEqual(plan.unindexed, [idOf("pack left behind")]);
  assert.deepEqual(plan.gone, [idOf("pack b")]);
  assert.equal(plan.summary.bytesFreed, 12_345);
});

function refusal(scene: Scene): string {
  try {
    planOf(scene);
  } catch (error) {
    assert.ok(isBackupError(error, "damaged"));
    return error.message;
  }
  assert.fail("it was not refused");
}

test("planPrune() refuses where something that is needed is missing, and names it", () => {
  const [a, b] = [blob("a", 2 * mib), blob("b", 2 * mib)];
  const unlisted = sceneOf([packOf("a", a)], [a, b]);
  assert.equal(refusal(unlisted), `Cannot prune: the index lists no pack with data ${b.id}`);
  const gone = sceneOf([packOf("a", a), packOf("b", b)], [a, b]);
  gone.stored.delete(idOf("pack b"));
  assert.equal(refusal(gone), `Cannot prune: packs that are needed are missing: ${idOf("pack b")}`);
  const short = sceneOf([packOf("a", a)], [a]);
  short.stored.set(idOf("pack a"), 99);
  assert.match(refusal(short), /wrong size: [0-9a-f]{64} has 99 bytes, wanted 2097229$/);
});

test("planPrune() keeps the copy that lies beside other used blobs", () => {
  const [a, b, unused] = [blob("a", 2 * mib), blob("b", 2 * mib), blob("unused", 100)];
  const packs = [packOf("poor", unused, a), packOf("rich", b, a)];
  const plan = planOf(sceneOf(packs, [a, b]));
  assert.deepEqual(names(plan), { repack: [], remove: [packs[0]?.id] });
});

test("planPrune() plans a quarter of a million blobs in bounded memory", () => {
  const used = new BlobSet();
  const id = Buffer.alloc(32);
  const ids = Array.from({ length: 250_000 }, (_, n) => {
    id.writeUInt32BE(Math.imul(n, 0x9e3779b1) >>> 0);
    id.writeUInt32BE(n, 4);
    return id.toString("hex");
  });
  for (const [n, one] of ids.entries()) if (n % 3 > 0) used.add(one, "data");
  const before = process.memoryUsage();
  const table = new PackTable(used);
  const stored = new Map<string, number>();
  for (let pack = 0; pack < 2_500; pack++) {
    const blobs = ids.slice(pack * 100, pack * 100 + 100).map((one, n) => {
      return { id: one, type: "data" as const, offset: n * 160_000, length: 160_000 };
    });
    table.add({ id: idOf(`pack ${pack}`), blobs });
    stored.set(idOf(`pack ${pack}`), 36 + 100 * (160_000 + 37));
  }
  const { summary } = planPrune(table, stored, defaults);
  assert.equal(summary.bytesUsed, used.size * 160_000);
  assert.ok(summary.packsRepacked > 2_000);
  const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
  assert.ok(grown < 15 * mib, `the table took ${grown} bytes`);
});
