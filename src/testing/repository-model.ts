/**
 * A repository beside a plain model of it: random operations on both, processes that
 * die at any storage call, and the law that whatever the model holds, the repository
 * gives back.
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { byteStringFromText } from "../domain/byte-string.ts";
import type { ThisMachine } from "../domain/run-owner.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import type { Vault } from "../vault/vault.ts";
import { type Fault, FaultyStorage } from "./faulty-storage.ts";
import { fc } from "./properties.ts";
import { openTestRepositoryVault } from "./repository-vault-places.ts";
import {
  beginOptions,
  describeEntry,
  makeImage,
  noonMs,
  noWait,
  readAllOf,
  signal,
  summary,
  TestMachine,
} from "./vault-probe.ts";

const names = ["a", "b/c", "b/d", "b/e/f", "g", "link"] as const;

/** What one step does. Numbers choose among what is there, whatever that is. */
export type Step =
  | { readonly does: "write"; readonly name: (typeof names)[number]; readonly text: number }
  | { readonly does: "delete"; readonly name: (typeof names)[number] }
  | { readonly does: "create"; readonly parent: number; readonly dies?: Fault }
  | { readonly does: "create two at once" }
  | { readonly does: "remove"; readonly which: number; readonly dies?: Fault }
  | { readonly does: "prune"; readonly maxUnusedPercent: number; readonly dies?: Fault }
  | { readonly does: "repair index"; readonly dies?: Fault };

const fault: fc.Arbitrary<Fault> = fc.record({
  operation: fc.constantFrom("put", "put", "get", "list", "remove"),
  nth: fc.integer({ min: 1, max: 8 }),
  mode: fc.constantFrom("before", "torn", "after"),
  crash: fc.constant(true),
});
const dies = fc
  .option(fault, { nil: undefined, freq: 2 })
  .map((one) => (one === undefined ? {} : { dies: one }));
const name = fc.constantFrom(...names);

export const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ does: fc.constant("write" as const), name, text: fc.nat(3) }),
  fc.record({ does: fc.constant("delete" as const), name }),
  fc.tuple(fc.nat(9), dies).map(([parent, end]) => ({ does: "create" as const, parent, ...end })),
  fc.tuple(fc.nat(9), dies).map(([parent, end]) => ({ does: "create" as const, parent, ...end })),
  fc.constant({ does: "create two at once" as const }),
  fc.tuple(fc.nat(9), dies).map(([which, end]) => ({ does: "remove" as const, which, ...end })),
  fc
    .tuple(fc.constantFrom(0, 5, Number.POSITIVE_INFINITY), dies)
    .map(([maxUnusedPercent, end]) => ({ does: "prune" as const, maxUnusedPercent, ...end })),
  dies.map((end) => ({ does: "repair index" as const, ...end })),
);

type Content = ReadonlyMap<string, string>;

export class RepositoryModel {
  readonly #folder: string;
  readonly #storage = new MemoryStorage();
  readonly #machine = new TestMachine();
  readonly #sabotage: (storage: Storage) => Storage;
  /** What the repository must hold. */
  readonly #backups = new Map<string, Content>();
  readonly #files = new Map<string, string>();
  #pid = 1;
  #minute = 0;
  /** Of the database as it is now, in hex; changes with the files. */
  #image = "";
  /** Operations that a fault cut short. */
  cutShort = 0;

  /** @param folder Empty; the source of the backups is made in it */
  constructor(folder: string, sabotage: (storage: Storage) => Storage = (one) => one) {
    this.#folder = folder;
    this.#sabotage = sabotage;
  }

  async open(): Promise<void> {
    await openTestRepositoryVault(this.#storage, this.#process());
    await mkdir(join(this.#folder, "files"), { recursive: true });
  }

  /** Does one step, and asserts that everything still holds. */
  async take(one: Step): Promise<void> {
    if (one.does === "write") await this.#write(one.name, `${one.name} ${one.text} `.repeat(50));
    else if (one.does === "delete") await this.#delete(one.name);
    else {
      await this.#operate(one);
      await this.#assertHolds(one);
    }
  }

  async #operate(one: Exclude<Step, { does: "write" | "delete" }>): Promise<void> {
    switch (one.does) {
      case "create":
        return await this.#create(one.parent, one.dies);
      case "create two at once": {
        const both = [this.#process(), this.#process()].map((machine) =>
          this.#createAs(machine, this.#storage, 0),
        );
        for (const id of await Promise.all(both)) this.#backups.set(id, await this.#expected());
        return;
      }
      case "remove":
        return await this.#remove(one.which, one.dies);
      case "prune":
        return await this.#run(one.dies, async (vault) => {
          const { maxUnusedPercent } = one;
          const options = { ...noWait, maxUnusedPercent, dryRun: false, confirm: async () => true };
          await vault.maintenance?.prune(options, signal);
        });
      case "repair index":
        return await this.#run(one.dies, async (vault) => {
          await vault.maintenance?.repairIndex(noWait, signal);
        });
    }
  }

  async #create(parent: number, end: Fault | undefined): Promise<void> {
    let made: string | undefined;
    await this.#run(end, async (_vault, storage, machine) => {
      made = await this.#createAs(machine, storage, parent);
    });
    const expected = await this.#expected();
    if (made !== undefined) this.#backups.set(made, expected);
    else for (const id of await this.#unknown()) this.#backups.set(id, expected);
  }

  async #createAs(machine: ThisMachine, storage: Storage, parentNumber: number): Promise<string> {
    const vault = await openTestRepositoryVault(storage, machine, false);
    const parent = [...this.#backups.keys()][parentNumber];
    const startedAtMs = noonMs + ++this.#minute * 60_000;
    const writer = await vault.begin(beginOptions({ parent, startedAtMs }), signal);
    try {
      const { image, content } = await makeImage(vault, this.#folder, { version: this.#files.size });
      this.#image = content.toString("hex");
      await writer.addDatabase(image, signal);
      const entries = await this.#entries();
      const settled = await writer.settle(entries, signal);
      const added = entries.map((entry, i) => ({ entry, settled: settled[i] ?? false }));
      await writer.add(added, signal);
      return (await writer.finish(summary(), signal)).id;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async #remove(which: number, end: Fault | undefined): Promise<void> {
    const id = [...this.#backups.keys()][which];
    if (id === undefined) return;
    await this.#run(end, async (vault) => {
      await vault.exclusively((remover) => remover.remove([id], signal), noWait, signal);
    });
    const vault = await this.#survivor();
    const isListed = (await vault.list(signal)).some((backup) => backup.id === id);
    if (!isListed) this.#backups.delete(id);
    else assert.notEqual(end, undefined, "what is removed is gone");
  }

  /** Runs as a process of its own, which dies where the fault says. */
  async #run(
    end: Fault | undefined,
    work: (vault: Vault, storage: Storage, machine: ThisMachine) => Promise<void>,
  ): Promise<void> {
    const pid = this.#pid;
    const machine = this.#process();
    const faulty = new FaultyStorage(this.#storage, end);
    const storage = this.#sabotage(faulty);
    try {
      await work(await openTestRepositoryVault(storage, machine, false), storage, machine);
    } catch (error) {
      if (!faulty.fired) throw error;
      this.cutShort++;
    }
    this.#machine.kill(pid);
  }

  async #assertHolds(one: Step): Promise<void> {
    const vault = await this.#survivor();
    const ids = (await vault.list(signal)).map(({ id }) => id);
    assert.deepEqual(new Set(ids), new Set(this.#backups.keys()));
    for (const [id, content] of this.#backups) {
      assert.deepEqual(await readAllOf(vault, id), content, id);
    }
    const report = await vault.maintenance?.check({ ...noWait, readData: "all" }, signal);
    assert.deepEqual(report?.damages, []);
    if (one.does === "prune" && one.dies === undefined) assert.deepEqual(report?.notes, []);
  }

  async #unknown(): Promise<readonly string[]> {
    const listed = await (await this.#survivor()).list(signal);
    const unknown = listed.map(({ id }) => id).filter((id) => !this.#backups.has(id));
    assert.ok(unknown.length <= 1, "one run makes one backup");
    return unknown;
  }

  #survivor(): Promise<Vault> {
    return openTestRepositoryVault(this.#storage, this.#process(), false);
  }

  #process(): ThisMachine {
    return this.#machine.process(this.#pid++);
  }

  async #write(path: string, text: string): Promise<void> {
    const full = join(this.#folder, "files", path);
    await mkdir(dirname(full), { recursive: true });
    if (path === "link") {
      await rm(full, { force: true });
      await symlink(text.slice(0, 6), full);
    } else await writeFile(full, text);
    this.#files.set(path, text);
  }

  async #delete(path: string): Promise<void> {
    await rm(join(this.#folder, "files", path), { force: true });
    this.#files.delete(path);
  }

  /** In the order a walk gives them. */
  async #entries() {
    const root = join(this.#folder, "files");
    const found = await readdir(root, { recursive: true });
    // By components: what is in a folder comes directly after it.
    const key = (path: string): string => path.replaceAll("/", "\0");
    const paths = ["", ...found].sort((a, b) => (key(a) < key(b) ? -1 : 1));
    return await Promise.all(paths.map((path) => describeEntry(root, path)));
  }

  /** What a backup of the source as it is now gives back. */
  async #expected(): Promise<Content> {
    const content = new Map([["database app.db", this.#image]]);
    for (const { path, kind } of await this.#entries()) {
      const text = this.#files.get(path);
      const shown =
        kind === "file"
          ? Buffer.from(text ?? "").toString("hex")
          : `${kind} ${kind === "symlink" ? byteStringFromText(text?.slice(0, 6) ?? "") : ""}`;
      content.set(`files/${path}`, shown);
    }
    return content;
  }
}
