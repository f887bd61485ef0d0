/**
 * What the checks of the vault contract are made of: a small source, machines
 * that live and die, and short ways to back up, to restore and to compare.
 *
 * @module
 */

import assert from "node:assert/strict";
import { lstat, mkdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Backup } from "../domain/backup.ts";
import { byteStringFromText } from "../domain/byte-string.ts";
import type { Entry } from "../domain/entry.ts";
import { type ErrorKind, isBackupError } from "../domain/error.ts";
import { silentObserver } from "../domain/progress.ts";
import type { ThisMachine } from "../domain/run-owner.ts";
import type {
  BackupReader,
  BackupSummary,
  BackupWriter,
  BeginOptions,
  DatabaseImage,
  LockOptions,
  Vault,
  VerifyOptions,
} from "../vault/vault.ts";

/** A vault that does not exist yet, and a private folder beside it. */
export interface VaultPlace extends AsyncDisposable {
  /** Opens the same vault every time, as the process that `machine` describes; the first call makes it. */
  open(machine: ThisMachine): Promise<Vault>;
  readonly folder: string;
}

/** Never aborted. */
export const signal: AbortSignal = new AbortController().signal;

/** Locks are taken at once or not at all, so that no check waits. */
export const noWait: LockOptions = { lockWaitMs: 0, observer: silentObserver };

/** Noon on some day, so that no check lies near a change of the clock. */
export const noonMs: number = new Date(2024, 5, 1, 12, 0, 0).getTime();

/** The processes of one machine, of which some are dead. */
export class TestMachine {
  readonly #dead = new Set<number>();

  /** What process `pid` knows of the machine. */
  process(pid: number): ThisMachine {
    const owner = { host: "probe", bootId: "boot", pid, pidNamespace: "pid:1", startedTicks: `${pid}` };
    return { owner, startTicksOf: (other) => (this.#dead.has(other) ? undefined : `${other}`) };
  }

  /** From now on `pid` is provably gone. */
  kill(pid: number): void {
    this.#dead.add(pid);
  }
}

export function beginOptions(changes: Partial<BeginOptions> = {}): BeginOptions {
  return {
    ...noWait,
    type: "full",
    source: "shop",
    host: "probe",
    startedAtMs: noonMs,
    safety: false,
    tags: [],
    roots: [{ name: "files", path: "/srv/files" }],
    parent: undefined,
    level: undefined,
    ...changes,
  };
}

export function summary(changes: Partial<BackupSummary> = {}): BackupSummary {
  return { problems: [], problemCount: 0, suspect: () => "", durationMs: () => 5, ...changes };
}

/** Bytes that differ from version to version and from name to name. */
function contentOf(name: string, version: number, sizeBytes: number): Buffer {
  return Buffer.from(`${name} ${version} `.repeat(Math.ceil(sizeBytes / 4)).slice(0, sizeBytes));
}

/** A database image of `sizeBytes`; for a vault it is bytes like any other. */
export async function makeImage(
  vault: Vault,
  folder: string,
  changes: Partial<DatabaseImage> & { readonly version?: number } = {},
): Promise<{ readonly image: DatabaseImage; readonly content: Buffer }> {
  const { version = 1, ...fields } = changes;
  const name = fields.name ?? "app.db";
  const directory = vault.stagingDirectory ?? folder;
  await mkdir(directory, { recursive: true });
  const imagePath = join(directory, `image-${name}-${version}-${process.hrtime.bigint()}`);
  const content = contentOf(name, version, 8192);
  await writeFile(imagePath, content);
  const image: DatabaseImage = {
    name,
    path: `/srv/${name}`,
    sizeBytes: content.byteLength,
    pageSizeBytes: 4096,
    journalMode: "wal",
    check: { method: "quick_check", ok: true, messages: [] },
    mode: 0o640,
    uid: 1000,
    gid: 1000,
    imagePath,
    ...fields,
  };
  return { image, content };
}

/** Makes the folder `files` of the probe's source, touching only what differs, and describes it in the order entries come in. */
export async function makeFiles(folder: string, version: number): Promise<readonly Entry[]> {
  const root = join(folder, "files");
  await mkdir(join(root, "sub"), { recursive: true });
  await writeFile(join(root, "kept.txt"), contentOf("kept", 0, 300), { flag: "wx" }).catch(() => undefined);
  const changing = join(root, "sub", "changing.bin");
  const content = contentOf("changing", version, 5_000 + version);
  const found = await readFile(changing).catch(() => undefined);
  if (!found?.equals(content)) await writeFile(changing, content);
  await writeFile(join(root, "zero"), "", { flag: "wx" }).catch(() => undefined);
  await symlink("sub/changing.bin", join(root, "link")).catch(() => undefined);
  const entries: Entry[] = [];
  for (const path of ["", "kept.txt", "link", "sub", "sub/changing.bin", "zero"]) {
    entries.push(await describeEntry(root, path));
  }
  return entries;
}

/** The entry of what lies at `path` of a folder that stands for the root `files`. */
export async function describeEntry(root: string, path: string): Promise<Entry> {
  const full = join(root, path);
  const stats = await lstat(full, { bigint: true });
  const kind = stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "symlink" : "file";
  return {
    root: "files",
    path: byteStringFromText(path),
    kind,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    inode: stats.ino,
    sizeBytes: kind === "file" ? Number(stats.size) : 0,
    ...(kind === "file" ? { content: { from: "path", path: byteStringFromText(full) } as const } : {}),
    ...(kind === "symlink" ? { linkTarget: byteStringFromText(await readlink(full)) } : {}),
  };
}

/** A backup of one database and the probe's folder, as far as the type has them. Returns it with what a restore must give. */
export async function backUp(
  vault: Vault,
  folder: string,
  changes: Partial<BeginOptions> & { readonly version?: number } = {},
): Promise<{ readonly backup: Backup; readonly content: ReadonlyMap<string, string> }> {
  const { version = 1, ...options } = changes;
  const begun = beginOptions(options);
  const writer = await vault.begin(begun, signal);
  try {
    await writeProbe(vault, writer, folder, { type: begun.type, version });
    const backup = await writer.finish(summary(), signal);
    return { backup, content: await readAllOf(vault, backup.id) };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Everything of the probe's source that a backup of this type holds, but for `finish`. */
export async function writeProbe(
  vault: Vault,
  writer: BackupWriter,
  folder: string,
  what: { readonly type: Backup["type"]; readonly version: number },
): Promise<void> {
  if (what.type !== "storage") {
    const { image } = await makeImage(vault, folder, { version: what.version });
    await writer.addDatabase(image, signal);
  }
  if (what.type === "database") return;
  const entries = await makeFiles(folder, what.version);
  const settled = await writer.settle(entries, signal);
  const added = entries.map((entry, i) => ({ entry, settled: settled[i] ?? false }));
  await writer.add(added, signal);
}

/** Everything a backup gives back, by name, as hex: so that two of them can be compared. */
export async function readAllOf(vault: Vault, id: string): Promise<ReadonlyMap<string, string>> {
  await using reader = await vault.open(id, signal);
  return await readEverything(reader);
}

export async function readEverything(reader: BackupReader): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const { name } of reader.backup.databases) {
    found.set(`database ${name}`, await hexOf(reader.readDatabase(name, signal)));
  }
  for await (const { entry, content } of reader.contents(() => true, signal)) {
    const bytes = content === undefined ? `${entry.kind} ${entry.linkTarget ?? ""}` : await hexOf(content);
    found.set(`${entry.root}/${entry.path}`, bytes);
  }
  return found;
}

async function hexOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("hex");
}

export async function listedIds(vault: Vault): Promise<readonly string[]> {
  return (await vault.list(signal)).map((backup) => backup.id);
}

export function verifyOptions(folder: string, changes: Partial<VerifyOptions> = {}): VerifyOptions {
  return {
    depth: "content",
    observer: silentObserver,
    checkDatabase: async () => [],
    scratchDirectory: folder,
    ...changes,
  };
}

/** Asserts that the promise fails with this kind. */
export async function rejectsWith(promise: Promise<unknown>, kind: ErrorKind): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isBackupError(error, kind), `wanted ${kind}, got ${String(error)}`);
    return true;
  });
}
