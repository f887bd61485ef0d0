/**
 * A folder with a small real app in it, and the command line run inside it as a
 * user would, in this process.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { runCommandLine } from "../cli/run-command-line.ts";
import { type MemoryIoOptions, memoryIo } from "./memory-io.ts";

/** What a command line left behind. */
export interface CommandRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Current directory of the process while it exists: one at a time. */
export class CliSandbox implements Disposable {
  readonly directory: string;
  readonly #before: string = process.cwd();

  /** Makes `app.db` in WAL mode with three rows, `uploads/` with files, and a configuration that names both. */
  constructor() {
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), "vertex-backup-cli-")));
    process.chdir(this.directory);
    using database = new DatabaseSync("app.db");
    database.exec(
      "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)",
    );
    for (let i = 0; i < 8; i++) this.write(`uploads/2024/photo-${i}.jpg`, randomBytes(5000));
    this.write("uploads/notes.txt", "hello\n");
    this.write(
      "vertex-backup.yaml",
      "sources:\n  - name: app\n    databases: [app.db]\n    storage: [uploads]\n",
    );
  }

  /** Environment of every command: state beside the app, nothing of the user's. */
  get env(): Record<string, string> {
    return { VERTEX_BACKUP_STATE: join(this.directory, "state"), PATH: process.env["PATH"] ?? "" };
  }

  write(path: string, content: string | Uint8Array): void {
    const absolute = join(this.directory, path);
    mkdirSync(dirname(absolute), { recursive: true });
    writeFileSync(absolute, content);
  }

  /** Runs `vertex-backup LINE`; single quotes hold a word together. */
  async run(line: string, options: MemoryIoOptions = {}): Promise<CommandRun> {
    const io = memoryIo({ ...options, env: { ...this.env, ...options.env } });
    const words = Array.from(line.matchAll(/'([^']*)'|(\S+)/g), (match) => match[1] ?? match[2]!);
    const code = await runCommandLine(words, io);
    return { code, out: io.stdout.text, err: io.stderr.text };
  }

  [Symbol.dispose](): void {
    process.chdir(this.#before);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
