import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Problem } from "../../domain/backup.ts";
import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import { ReferenceCheck, referencedPath } from "./reference-check.ts";
import { walkFolder } from "./walk-folder.ts";

const signal = new AbortController().signal;

interface Scene {
  readonly folder: string;
  /** Run between collecting and walking, as an application at work would. */
  readonly meanwhile?: () => void;
  readonly excludes?: readonly string[];
  /** What the vault reports while it reads. */
  readonly whileReading?: readonly Problem[];
}

function makeFolder(t: TestContext, files: readonly string[]): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "reference-check-")));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of files) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), "x");
  }
  return folder;
}

async function* each(values: readonly string[]): AsyncGenerator<string> {
  yield* values;
}

async function check({ folder, ...scene }: Scene, values: readonly string[]): Promise<string[]> {
  const problems: Problem[] = [];
  const root = { name: "uploads", path: join(folder, "uploads") };
  const references = new ReferenceCheck([root], (problem) => problems.push(problem));
  const column = { base: join(folder, "uploads/media"), label: "app.db photos.file" };
  await references.collect(column, each(values), signal);
  scene.meanwhile?.();
  const rules = { oneFileSystem: false, excludeCaches: false, skip: new Set<ByteString>() };
  for await (const batch of walkFolder(
    { root, excludes: scene.excludes ?? [], ...rules },
    () => {},
    signal,
  )) {
    for (const entry of batch) references.see(entry);
  }
  for (const problem of scene.whileReading ?? []) references.noteProblem(problem);
  await references.finish(signal);
  return problems.map(({ kind, path }) => `${kind} ${path.replace(folder, "")}`);
}

test("ReferenceCheck says nothing of files that are in the backup, however rows spell them", async (t) => {
  const folder = makeFolder(t, ["uploads/media/a.jpg", "uploads/media/ü b.jpg", "uploads/c.jpg"]);
  symlinkSync("uploads", join(folder, "way"));
  symlinkSync("../c.jpg", join(folder, "uploads/media/link.jpg"));
  const spellings = [
    "a.jpg",
    "./a.jpg",
    "x/../a.jpg",
    "ü b.jpg",
    "../c.jpg",
    "link.jpg",
    `${folder}/uploads/c.jpg`,
    `${folder}/way/media/a.jpg`,
    `file://${folder}/uploads/c.jpg`,
  ];
  assert.deepEqual(await check({ folder }, spellings), []);
});

test("ReferenceCheck ignores empty values and addresses of other places", async (t) => {
  const folder = makeFolder(t, ["uploads/media/a:b.jpg"]);
  const values = [
    "",
    "  ",
    "https://example.org/a.jpg",
    "data:image/png;base64,AA",
    "mailto:a@example.org",
    "a:b.jpg",
  ];
  assert.deepEqual(await check({ folder }, values), []);
});

test("ReferenceCheck names once what is not there, and what lies outside", async (t) => {
  const folder = makeFolder(t, ["uploads/media/a.jpg", "secret.txt"]);
  const values = ["gone.jpg", "./gone.jpg", "../../secret.txt", "../../../../etc/passwd", "a\0b"];
  const told = await check({ folder }, values);
  assert.deepEqual(told.slice(0, 2), [
    "reference-missing /uploads/media/gone.jpg",
    "reference-missing /secret.txt",
  ]);
  assert.equal(told.length, 4);
});

test("ReferenceCheck tells files deleted during the run from those the backup leaves out", async (t) => {
  const folder = makeFolder(t, [
    "uploads/media/deleted.jpg",
    "uploads/media/excluded.tmp",
    "uploads/media/kept.jpg",
  ]);
  const meanwhile = (): void => rmSync(join(folder, "uploads/media/deleted.jpg"));
  const values = ["deleted.jpg", "excluded.tmp", "kept.jpg"];
  assert.deepEqual(await check({ folder, meanwhile, excludes: ["*.tmp"] }, values), [
    "reference-deleted uploads/media/deleted.jpg",
    "reference-missing uploads/media/excluded.tmp",
  ]);
});

test("ReferenceCheck takes back a file that was walked but could not be read", async (t) => {
  const folder = makeFolder(t, ["uploads/media/a.jpg", "uploads/media/b.jpg", "uploads/media/c.jpg"]);
  const whileReading: Problem[] = [
    { kind: "vanished", path: "uploads/media/a.jpg", message: "" },
    { kind: "unreadable", path: "uploads/media/b.jpg", message: "" },
    { kind: "changed-while-read", path: "uploads/media/c.jpg", message: "" },
  ];
  assert.deepEqual(await check({ folder, whileReading }, ["a.jpg", "b.jpg", "c.jpg"]), [
    "reference-deleted uploads/media/a.jpg",
    "reference-missing uploads/media/b.jpg",
  ]);
});

test("ReferenceCheck reports once, by name, what is lost after it was finished, odd names too", async (t) => {
  const names = ["a.jpg", "b.jpg", "odd\nname.jpg", "kept.jpg"];
  const folder = makeFolder(
    t,
    names.map((name) => `uploads/media/${name}`),
  );
  const problems: Problem[] = [];
  const root = { name: "uploads", path: join(folder, "uploads") };
  const references = new ReferenceCheck([root], (problem) => problems.push(problem));
  await references.collect({ base: join(folder, "uploads/media"), label: "x" }, each(names), signal);
  const rules = { excludes: [], oneFileSystem: false, excludeCaches: false, skip: new Set<ByteString>() };
  for await (const batch of walkFolder({ root, ...rules }, () => {}, signal)) {
    for (const entry of batch) references.see(entry);
  }
  await references.finish(signal);
  assert.deepEqual(problems, []);
  const lost = ["a.jpg", "a.jpg", "other.jpg", "odd\\x0aname.jpg"];
  for (const name of lost) {
    references.noteProblem({ kind: "vanished", path: `uploads/media/${name}`, message: "" });
  }
  references.noteProblem({ kind: "unreadable", path: "uploads/media/b.jpg", message: "" });
  assert.deepEqual(
    problems.map(({ kind, path }) => `${kind} ${path}`),
    [
      "reference-deleted uploads/media/a.jpg",
      "reference-deleted uploads/media/odd\\x0aname.jpg",
      "reference-missing uploads/media/b.jpg",
    ],
  );
});

test("referencedPath() resolves by the text alone and never climbs above the top", () => {
  const base = asByteString("/app/media");
  assert.equal(referencedPath("../a//b/.", base), "/app/a/b");
  assert.equal(referencedPath("../../../../x", base), "/x");
  assert.equal(referencedPath("//host/x", base), "/host/x");
  assert.equal(referencedPath("file://host/x", base), undefined);
  assert.equal(referencedPath("s3://bucket/x", base), undefined);
});
