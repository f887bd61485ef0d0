import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { silentObserver } from "../domain/progress.ts";
import { createLiveApp } from "../testing/live-app.ts";
import { openLiveContext } from "../testing/live-context.ts";
import { signal } from "../testing/vault-probe.ts";
import type { BackupWriter, Vault } from "../vault/vault.ts";
import { backUp } from "./back-up.ts";
import type { Source } from "./requests.ts";

/** The same vault, with a writer that is so far behind that it reads every file when all of them were walked. */
function withLateReads(vault: Vault, beforeReading: () => void): Vault {
  const begin: Vault["begin"] = async (options, begun) => {
    const writer = await vault.begin(options, begun);
    const added: Parameters<BackupWriter["add"]>[] = [];
    return {
      id: writer.id,
      addDatabase: (image, by) => writer.addDatabase(image, by),
      settle: (entries, by) => writer.settle(entries, by),
      add: async (entries, by) => void added.push([[...entries], by]),
      finish: async (summary, by) => {
        beforeReading();
        for (const late of added) await writer.add(...late);
        return await writer.finish(summary, by);
      },
      abort: () => writer.abort(),
    };
  };
  return new Proxy(vault, {
    get(target, name) {
      if (name === "begin") return begin;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

test("a file that a row names and that is deleted before it is read is reported as deleted, by name (J2)", async () => {
  await using app = createLiveApp();
  const context = await openLiveContext(app);
  await using vault = context.vault;
  const [source] = context.sources as [Source];
  const reference = { database: "app.db", table: "images", column: "file", base: app.uploads };
  const sources = [{ ...source, references: [reference] }];
  const late = withLateReads(vault, () => rmSync(join(app.uploads, "2024", "3.txt")));
  const request = { signal, observer: silentObserver };
  const { backup, problems } = await backUp({ ...context, sources, vault: late }, request);
  const found = problems.filter(({ kind }) => kind.startsWith("reference"));
  assert.deepEqual(
    found.map(({ kind, path }) => `${kind} ${path}`),
    ["reference-deleted uploads/2024/3.txt"],
  );
  assert.equal(backup.problemCount, problems.length);
});

test("a reference to a table or column that the database does not have makes the backup incomplete, by name, without files too", async () => {
  await using app = createLiveApp();
  const context = await openLiveContext(app);
  await using _vault = context.vault;
  const [source] = context.sources as [Source];
  const to = (table: string, column: string) => ({ database: "app.db", table, column, base: app.uploads });
  const references = [to("nothing", "file"), to("images", "nothing"), to("images", "file")];
  for (const folders of [source.folders, []]) {
    for (const type of folders.length === 0 ? (["database"] as const) : (["full", "database"] as const)) {
      const sources = [{ ...source, folders, references }];
      const request = { signal, observer: silentObserver, type };
      const { backup, problems } = await backUp({ ...context, sources }, request);
      assert.deepEqual(
        problems.map(({ kind, path, message }) => `${kind} ${path}: ${message}`),
        [
          "unreadable reference app.db, nothing.file: Cannot read column nothing.file: no such table: nothing",
          "unreadable reference app.db, images.nothing: Cannot read column images.nothing: no such column: images.nothing",
        ],
      );
      assert.equal(backup.state, "incomplete");
      assert.match(backup.stateReason, /^2 problems, first reference app.db, nothing.file/);
    }
  }
});
