/**
 * A small honest backup as plain documents, and ways to make one of them say something
 * hostile. {@link storeDocuments} seals them all: what names them is hashed after the change.
 *
 * @module
 */

import type { ObjectId } from "../format/restic/model.ts";
import type { Repository } from "../vault/repository/repository.ts";
import { type Json, RawRepository, rawNode, rawSnapshot } from "./hostile-repository.ts";
import { fc } from "./properties.ts";

/** In the order they are hashed. A value `@name` stands for the id of that document or of the blob of that text. */
const treeNames = ["sub", "app", "srv", "own", "root"] as const;
type DocumentName = (typeof treeNames)[number] | "manifest" | "index" | "snapshot";

type Documents = Readonly<Record<Exclude<DocumentName, "index">, Json>>;

/** One change: which document, which of its values (counted through), and what takes the place. */
export interface HostileChange {
  readonly document: DocumentName;
  readonly place: number;
  readonly value: Json;
}

const texts = { "@one": "one ", "@two": "two ", "@three": "three" } as const;

function honestDocuments(): Documents {
  const dir = (name: string, subtree: string): Json => rawNode(name, "dir", { subtree });
  const file = (name: string, size: number, content: readonly string[], more = {}): Json =>
    rawNode(name, "file", { size, content, ...more });
  return {
    manifest: honestManifest(),
    sub: { nodes: [file("deep.txt", 5, ["@three"]), file("none", 0, [])] },
    app: {
      nodes: [
        file("a.txt", 8, ["@one", "@two"]),
        file("b", 5, ["@three"], { links: 2, inode: 9 }),
        file("c", 5, ["@three"], { links: 2, inode: 9 }),
        rawNode("link", "symlink", { linktarget: "a.txt" }),
        dir("sub", "@sub"),
      ],
    },
    srv: { nodes: [dir("app", "@app"), file("app.db", 9, ["@three", "@one"])] },
    own: { nodes: [rawNode("manifest.json", "file", { size: "@manifest-size", content: ["@manifest"] })] },
    root: { nodes: [dir(".vertex-backup", "@own"), dir("srv", "@srv")] },
    snapshot: rawSnapshot("@root", ["/srv/app"], {
      vertex_backup: "@@manifest",
      tags: ["vertex-backup"],
    }),
  };
}

function honestManifest(): Json {
  return {
    format_version: 1,
    type: "full",
    source: "shop",
    host: "evil",
    started_at: "2024-06-01T12:00:00.000+02:00",
    duration_ms: 5,
    source_bytes: 30,
    stored_bytes: 30,
    state: "good",
    state_reason: "",
    incomplete: false,
    suspect: false,
    safety: false,
    tags: [],
    counts: { databases: 1, files: 4, directories: 2, symlinks: 1, unchanged_files: 0 },
    databases: [
      {
        name: "app.db",
        path: "/srv/app.db",
        tree_path: "/srv/app.db",
        size_bytes: 9,
        page_size_bytes: 4096,
        journal_mode: "wal",
        check: { method: "not-run", ok: false, messages: ["it is no database"] },
        mode: 0o640,
        uid: 0,
        gid: 0,
      },
    ],
    roots: [{ name: "app", path: "/srv/app", tree_path: "/srv/app" }],
    problem_count: 0,
    problems: [],
    tool_version: "evil",
  };
}

/** Values that programs stumble over. */
const hostileValues: readonly Json[] = [
  ...[-1, 0, 1, 0.5, 33, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 1e300],
  ...[
    "",
    ".",
    "..",
    "../../evil",
    "/etc/evil",
    "a/b",
    "evil\0",
    "\n",
    "x".repeat(5_000),
    "\ud800",
    "__proto__",
  ],
  ...[
    "file",
    "dir",
    "symlink",
    "dev",
    "fifo",
    "irregular",
    "tree",
    "data",
    "@sub",
    "@one",
    "@three",
    "a.txt",
  ],
  ...["0".repeat(64), "f".repeat(64), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "C:\\evil", "~/evil"],
  ...[null, true, [], {}, [[[]]], ["@three"], Array.from({ length: 500 }, () => "@three")],
];

export const hostileChange: fc.Arbitrary<HostileChange> = fc.record({
  document: fc.constantFrom<DocumentName>(...treeNames, "manifest", "index", "snapshot"),
  place: fc.nat({ max: 1_000 }),
  value: fc.constantFrom(...hostileValues),
});

/** Stores the backup with these changes. Returns the id of its snapshot. */
export async function storeDocuments(repo: Repository, changes: readonly HostileChange[]): Promise<ObjectId> {
  const changed = (name: DocumentName, document: Json): Json =>
    changes.filter((change) => change.document === name).reduce(replaceValue, document);
  const raw = new RawRepository(repo);
  const ids = new Map<string, Json>();
  for (const [name, text] of Object.entries(texts)) ids.set(name, raw.file(text));
  const named = (document: Json): Json => replaceNames(document, ids);
  const documents = honestDocuments();
  const manifest = named(changed("manifest", documents.manifest));
  const manifestText = JSON.stringify(manifest);
  ids.set("@manifest", raw.file(manifestText));
  ids.set("@manifest-size", Buffer.byteLength(manifestText));
  for (const name of treeNames) ids.set(`@${name}`, raw.tree(named(changed(name, documents[name]))));
  await raw.store((index) => named(changed("index", index)));
  const snapshot = changed("snapshot", documents.snapshot);
  return await raw.document("snapshots", withManifest(named(snapshot), manifest));
}

function withManifest(snapshot: Json, manifest: Json): Json {
  if (!isRecord(snapshot) || snapshot["vertex_backup"] !== "@@manifest") return snapshot;
  return { ...snapshot, vertex_backup: manifest };
}

function replaceNames(document: Json, ids: ReadonlyMap<string, Json>): Json {
  if (typeof document === "string") return ids.get(document) ?? document;
  if (isList(document)) return document.map((item) => replaceNames(item, ids));
  if (!isRecord(document)) return document;
  return Object.fromEntries(Object.entries(document).map(([key, value]) => [key, replaceNames(value, ids)]));
}

/** Every value counts, from the outermost on: the number goes round where there are fewer. */
function replaceValue(document: Json, { place, value }: HostileChange): Json {
  let left = place % countValues(document);
  const visit = (at: Json): Json => {
    if (left-- === 0) return value;
    if (isList(at)) return at.map(visit);
    if (!isRecord(at)) return at;
    return Object.fromEntries(Object.entries(at).map(([key, inner]) => [key, visit(inner)]));
  };
  return visit(document);
}

function countValues(document: Json): number {
  const inside = isList(document) ? document : isRecord(document) ? Object.values(document) : [];
  return inside.reduce<number>((sum, value) => sum + countValues(value), 1);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isRecord(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !isList(value);
}
