/**
 * Where the password of a repository comes from: a file, a command, a variable of
 * the environment, or the program itself. What is read here is kept nowhere, and no
 * message repeats it, nor a command, which may have it in its words.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { BackupError, errorText } from "../domain/error.ts";
import type { Environment } from "./state-directory.ts";

/**
 * The password itself, or how to get it: the content of a file, what a shell command prints,
 * the value of an environment variable, or a function. Read when a repository is opened,
 * and never for an archive vault.
 */
export type PasswordSource =
  | string
  | { readonly file: string }
  | { readonly command: string }
  | { readonly variable: string }
  | (() => Promise<string>);

export interface PasswordOptions {
  readonly environment: Environment;
  /** Told when the file that holds the password can be read by every user of the machine. */
  readonly warn: (message: string) => void;
}

/** Far more than any password; what is longer is some other file. */
const passwordBytesMax = 64 * 1024;

/** Time to unlock a password manager by hand; a command that hangs must not hang a nightly run for ever. */
const commandMsMax = 5 * 60_000;

/**
 * The password, never empty. Space around the text of a file or of a command's output is
 * dropped, with its line end, as restic does: one file opens a repository in both programs.
 *
 * @throws {BackupError} `source-unavailable` if it cannot be read; `invalid-input` if it is empty or no text
 */
export async function readPassword(
  source: PasswordSource,
  options: PasswordOptions,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  return refuseEmpty(await readSource(source, options, signal), describe(source));
}

async function readSource(
  source: PasswordSource,
  options: PasswordOptions,
  signal: AbortSignal,
): Promise<string> {
  if (typeof source === "string") return source;
  if (typeof source === "function") return await source();
  if ("variable" in source) return options.environment[source.variable] ?? "";
  if ("file" in source) return textOf(await readPasswordFile(source.file, options), describe(source));
  return textOf(await runPasswordCommand(source.command, options, signal), describe(source));
}

/** @throws {BackupError} `invalid-input` for a password without a character: restic makes no repository with one */
export function refuseEmpty(password: string, from: string): string {
  if (password !== "") return password;
  throw new BackupError("invalid-input", `Cannot use the password ${from}: it is empty`, {
    hint: "Put a password there; whoever reads it can read the backups.",
  });
}

/** For messages and for the recovery kit: where the password is, without anything of it. */
export function describe(source: PasswordSource): string {
  if (typeof source === "string") return "given by the program";
  if (typeof source === "function") return "asked for by the program";
  if ("variable" in source) return `in the environment variable ${source.variable}`;
  // A command may have the password in its words, or that of a password manager.
  return "file" in source ? `in the file ${source.file}` : "printed by the password command";
}

async function readPasswordFile(path: string, { warn }: PasswordOptions): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const status = await file.stat();
    if (status.isFile() && (status.mode & 0o004) !== 0) {
      warn(`The password file ${path} can be read by every user; chmod 600 makes it private`);
    }
    return await readBounded(file, path);
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): BackupError {
  return new BackupError("source-unavailable", `Cannot read the password file ${path}: ${errorText(cause)}`, {
    cause,
    hint: "Check the path, and that this user may read the file.",
  });
}

/** Also of a pipe, such as a shell's `<(...)`. */
async function readBounded(file: FileHandle, path: string): Promise<Buffer> {
  const buffer = Buffer.alloc(passwordBytesMax + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw tooLong(`the password file ${path}`);
}

function tooLong(what: string): BackupError {
  return new BackupError("invalid-input", `Cannot use ${what}: longer than ${passwordBytesMax} bytes`);
}

async function runPasswordCommand(
  command: string,
  { environment }: PasswordOptions,
  signal: AbortSignal,
): Promise<Buffer> {
  // What it complains of goes where our own errors go; our input is left for questions.
  const child = spawn("/bin/sh", ["-c", command], {
    env: { ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const either = AbortSignal.any([signal, AbortSignal.timeout(commandMsMax)]);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > passwordBytesMax) reject(tooLong("what the password command prints"));
  });
  child.once("error", (error) => reject(commandFailed(error.message, error)));
  child.once("close", (code, ended) => {
    if (code === 0) resolve(Buffer.concat(chunks));
    else reject(commandFailed(code === null ? `ended by ${ended}` : `exit code ${code}`));
  });
  const stop = (): void =>
    reject(signal.aborted ? signal.reason : commandFailed("it did not end in 5 minutes"));
  either.addEventListener("abort", stop, { once: true });
  try {
    return await promise;
  } finally {
    either.removeEventListener("abort", stop);
    // What it started may still hold the pipe, which must not keep this process.
    child.stdout.destroy();
    child.kill();
  }
}

function commandFailed(state: string, cause?: unknown): BackupError {
  return new BackupError("source-unavailable", `Cannot run the password command: ${state}`, {
    cause,
    hint: "Run it by hand; it must print the password and nothing else, and end with 0.",
  });
}

function textOf(bytes: Buffer, from: string): string {
  try {
    // Byte order marks of editors are dropped, as restic does.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "");
  } catch (error) {
    throw notText(from, error);
  }
}

function notText(from: string, cause: unknown): BackupError {
  return new BackupError("invalid-input", `Cannot use the password ${from}: it is not UTF-8 text`, { cause });
}
