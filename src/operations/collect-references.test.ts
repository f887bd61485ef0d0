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
