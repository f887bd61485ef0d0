import assert from "node:assert/strict";
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  mkdtemp,
  open,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { checkBank, earlierPayments, openBank, preparePayment } from "./bank.ts";
import { compareTrees } from "./compare-trees.ts";
import { makeUploads, SampleWriter } from "./sample-app.ts";

const { signal } = new AbortController();

async function scratch(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "vertex-backup-demo-test-"));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

async function sampleTree(directory: string): Promise<void> {
  await mkdir(join(directory, "inner"), { recursive: true });
  await writeFile(join(directory, "a.txt"), "a".repeat(3_000_000));
  await writeFile(join(directory, "inner", "b.txt"), "b");
  await symlink("a.txt", join(directory, "link"));
}

test("compareTrees() finds nothing between a folder and its faithful copy", async (context) => {
  const directory = await scratch(context);
  await sampleTree(join(directory, "one"));
  await cp(join(directory, "one"), join(directory, "two"), {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
  });
  const { mtime } = { mtime: new Date(1_700_000_000_000) };
  for (const tree of ["one", "two"]) {
    for (const name of ["a.txt", "inner/b.txt", "inner", "."])
      await utimes(join(directory, tree, name), mtime, mtime);
  }
  const comparison = await compareTrees(join(directory, "one"), join(directory, "two"), signal);
  assert.deepEqual(comparison, { files: 2, bytes: 3_000_001, differences: [] });
});

const damages: readonly (readonly [string, string, (tree: string) => Promise<void>])[] = [
  [
    "one flipped byte",
    "a.txt has other bytes",
    async (tree) => {
      await using file = await open(join(tree, "a.txt"), "r+");
      await file.write("x", 2_000_000);
    },
  ],
  ["a byte too many", "a.txt has other bytes", (tree) => appendFile(join(tree, "a.txt"), "a")],
  ["a missing file", "inner/b.txt is missing", (tree) => rm(join(tree, "inner", "b.txt"))],
  ["a file too many", "c.txt is not expected", (tree) => writeFile(join(tree, "c.txt"), "")],
  ["another mode", "a.txt has another kind or mode", (tree) => chmod(join(tree, "a.txt"), 0o600)],
  [
    "another time",
    "inner/b.txt has another time",
    (tree) => utimes(join(tree, "inner", "b.txt"), new Date(0), new Date(0)),
  ],
  [
    "a link that leads elsewhere",
    "link leads elsewhere",
    async (tree) => {
      await rm(join(tree, "link"));
      await symlink("inner", join(tree, "link"));
    },
  ],
];

test("compareTrees() names every kind of difference, so that the demo fails on it", async (context) => {
  const directory = await scratch(context);
  const mtime = new Date(1_700_000_000_000);
  await sampleTree(join(directory, "good"));
  await chmod(join(directory, "good", "a.txt"), 0o644);
  for (const [name, wanted, damage] of damages) {
    const tree = join(directory, name);
    await cp(join(directory, "good"), tree, { recursive: true, verbatimSymlinks: true });
    await damage(tree);
    for (const root of [join(directory, "good"), tree]) {
      for (const file of ["a.txt", "inner"]) await utimes(join(root, file), mtime, mtime);
      const other = name === "a missing file" || name === "another time";
      if (!other) await utimes(join(root, "inner", "b.txt"), mtime, mtime);
    }
    const { differences } = await compareTrees(join(directory, "good"), tree, signal);
    assert.deepEqual(differences, [wanted], name);
  }
});

test("checkBank() accepts what payments leave and finds every law broken", async (context) => {
  const path = join(await scratch(context), "bank.db");
  {
    using database = openBank(path);
    const pay = preparePayment(database);
    for (let number = 1; number <= 500; number++) pay(earlierPayments + number);
  }
  assert.deepEqual(checkBank(path), { payments: earlierPayments + 500, broken: [] });
  const breaking: readonly (readonly [string, readonly string[]])[] = [
    [
      "UPDATE account SET balance = balance + 1 WHERE id = 7",
      ["money was made or lost", "an account does not agree with its payments"],
    ],
    [
      "DELETE FROM payment WHERE id = 250",
      ["an account does not agree with its payments", "a payment is missing"],
    ],
  ];
  for (const [statement, broken] of breaking) {
    const copy = `${path}-${broken.length}-${broken[0]!.length}`;
    await cp(path, copy);
    const { DatabaseSync } = await import("node:sqlite");
    {
      using database = new DatabaseSync(copy);
      database.exec(statement);
    }
    assert.deepEqual(checkBank(copy).broken, broken);
  }
});

test("checkBank() finds a file that is no database, or a torn one", async (context) => {
  const directory = await scratch(context);
  await writeFile(join(directory, "text.db"), "not a database at all".repeat(1000));
  assert.match(checkBank(join(directory, "text.db")).broken[0]!, /cannot be read/);
  assert.match(checkBank(join(directory, "missing.db")).broken[0]!, /cannot be read/);
});

test("the sample app's writer commits until it is let go, and leaves a database that obeys its laws", async (context) => {
  const path = join(await scratch(context), "app.db");
  const counts: number[] = [];
  {
    await using writer = await SampleWriter.start(path, signal);
    counts.push(await writer.payments(signal));
    while (counts.at(-1)! < counts[0]! + 20) counts.push(await writer.payments(signal));
  }
  const { payments, broken } = checkBank(path);
  assert.deepEqual(broken, []);
  assert.ok(payments >= counts.at(-1)!);
});

test("the sample app's uploads are what they are counted as", async (context) => {
  const directory = join(await scratch(context), "uploads");
  const made = await makeUploads(directory, signal);
  const { files, bytes } = await compareTrees(directory, directory, signal);
  assert.deepEqual(made, { files, bytes });
});
