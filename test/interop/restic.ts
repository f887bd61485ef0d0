/**
 * Runs the restic of `PATH` on a repository of a test.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/domain/clock.ts";
import { openLocalStorage } from "../../src/storage/local-storage.ts";
import { readThisMachine } from "../../src/storage/this-machine.ts";
import { createRepository, openRepository } from "../../src/vault/repository/open-repository.ts";
import type { Repository } from "../../src/vault/repository/repository.ts";

export const signal: AbortSignal = new AbortController().signal;

/** A folder with one repository in `repo`, removed when disposed. */
export class ResticPlace implements AsyncDisposable {
  readonly folder: string;
  readonly repo: string;
  readonly password: string;

  private constructor(folder: string, password: string) {
    this.folder = folder;
    this.repo = join(folder, "repo");
    this.password = password;
  }

  static async open(password = "geheim"): Promise<ResticPlace> {
    return new ResticPlace(await mkdtemp(join(tmpdir(), "vertex-restic-")), password);
  }

  /** Starts restic; its input stays open. */
  start(args: readonly string[], password: string = this.password): ChildProcessWithoutNullStreams {
    const env = {
      ...process.env,
      RESTIC_REPOSITORY: this.repo,
      RESTIC_PASSWORD: password,
      RESTIC_CACHE_DIR: join(this.folder, "cache"),
    };
    return spawn("restic", args, { env, cwd: this.folder });
  }

  /**
   * Starts a restic that works until its input ends, and waits until it is past its lock. Lock files say that too
   * early: they have another name while they are written, and restic gives up its own where it then sees another.
   */
  async startLocked(kind: "shared" | "exclusive"): Promise<ChildProcessWithoutNullStreams> {
    if (kind === "exclusive") return await this.#startPasswordChange();
    const child = this.#startSilently(["backup", "--stdin"]);
    // More than any buffer between the two holds: it was read, which restic does with its lock held.
    const failed = once(child, "close").then(() => Promise.reject(new Error("restic ended before it read")));
    const read = new Promise<void>((resolve) => child.stdin.write(Buffer.alloc(4_000_000), () => resolve()));
    await Promise.race([read, failed]);
    failed.catch(() => undefined);
    return child;
  }

  #startSilently(args: readonly string[]): ChildProcessWithoutNullStreams {
    const child = this.start(args);
    child.stdin.on("error", () => undefined);
    child.stderr.resume();
    child.stdout.resume();
    return child;
  }

  /** `key passwd` locks exclusively, then reads the new password: from a named pipe, which shows when. */
  async #startPasswordChange(): Promise<ChildProcessWithoutNullStreams> {
    const pipe = join(this.folder, `new-password-${randomUUID()}`);
    execFileSync("mkfifo", [pipe]);
    const child = this.#startSilently(["key", "passwd", "--new-password-file", pipe]);
    for (;;) {
      if (child.exitCode !== null) throw new Error("restic ended before it asked for the new password");
      try {
        // Refused until somebody reads.
        const end = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
        child.stdin.once("finish", () => closeSync(end));
        return child;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      }
      await sleep(20);
    }
  }

  /** Runs restic to its end. */
  async run(
    args: readonly string[],
    options: { readonly input?: string; readonly password?: string } = {},
  ): Promise<ResticResult> {
    const child = this.start(args, options.password);
    // One that ends without reading, because it is refused, closes its end first.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    return await resultOf(child);
  }

  /** Runs restic, which must succeed. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`restic ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Makes the repository with our code; its key is cheap to open, for restic too, unless it is to be as users have it. */
  async create(kind: "cheap" | "as-users" = "cheap"): Promise<Repository> {
    const keyCost = kind === "cheap" ? { N: 1024, r: 8, p: 1 } : undefined;
    return await createRepository({ ...(await this.#options(true)), keyCost }, signal);
  }

  /** Opens the repository with our code. */
  async connect(password: string = this.password): Promise<Repository> {
    return await openRepository({ ...(await this.#options(false)), password }, signal);
  }

  async #options(create: boolean) {
    const machine = readThisMachine();
    const storage = await openLocalStorage(this.repo, { create, machine });
    return { storage, machine, password: this.password, clock: systemClock, toolVersion: "0.0.0-test" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface ResticResult {
  /** 128 and more where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function resultOf(child: ChildProcessWithoutNullStreams): Promise<ResticResult> {
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? 128));
  });
  return { code, ...output };
}
