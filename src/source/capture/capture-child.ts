/**
 * The capture process: forked by `capture-process.ts`, it does one task at a
 * time and ends when the program that forked it does.
 *
 * @module
 */

import { Worker } from "node:worker_threads";
import { systemClock } from "../../domain/clock.ts";
import { errorText, isBackupError } from "../../domain/error.ts";
import { captureLive } from "./capture-live.ts";
import type { FailureMessage, FromChild, TaskName, Tasks, ToChild } from "./capture-messages.ts";
import { checkImageFile } from "./image-check.ts";
import { readColumn } from "./image-columns.ts";
import { installIntoLive } from "./live-install-child.ts";

/** Progress is told at most this often. */
const progressEveryMs = 100;

let askForNext: (() => void) | undefined;

process.umask(0o077);
// Ctrl-C reaches the whole process group; the parent decides what it means, and kills this one if it must.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
process.on("disconnect", die);
process.on("message", (message) => receive(message as ToChild));
watchParent();

function receive(message: ToChild): void {
  if (message.kind === "next") askForNext?.();
  else void runTask(message);
}

async function runTask(message: Exclude<ToChild, { readonly kind: "next" }>): Promise<void> {
  try {
    send({ kind: "done", output: await taskOutput(message) });
  } catch (error) {
    send({ kind: "failed", error: failureMessage(error) });
  }
}

async function taskOutput(
  message: Exclude<ToChild, { readonly kind: "next" }>,
): Promise<Tasks[TaskName]["output"]> {
  switch (message.kind) {
    case "capture":
      return await captureLive(message.input, systemClock, {
        report: reportProgress(),
        steady: (bytes) => send({ kind: "steady", bytes }),
        complete: () => send({ kind: "complete" }),
      });
    case "check":
      return checkImageFile(message.input.imagePath, message.input.method);
    case "columns":
      for (const values of readColumn(message.input)) {
        const asked = new Promise<void>((resolve) => {
          askForNext = resolve;
        });
        send({ kind: "batch", values });
        await asked;
      }
      return null;
    case "install":
      return await installIntoLive(message.input, systemClock);
  }
}

function reportProgress(): (done: number, total: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = systemClock.elapsed();
    if (now - last < progressEveryMs && done < total) return;
    last = now;
    send({ kind: "progress", done, total });
  };
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

function failureMessage(error: unknown): FailureMessage {
  if (isBackupError(error)) {
    return {
      errorKind: error.kind,
      message: error.message,
      retryable: error.retryable,
      hint: error.hint,
    };
  }
  const message = `Cannot finish the work on a database: ${errorText(error)}`;
  return { errorKind: "source-unavailable", message, retryable: false, hint: undefined };
}

/**
 * Ends this process when its parent is gone although SQLite is at work on the
 * main thread and no event gets through: a check of a large image takes minutes.
 */
function watchParent(): void {
  const parent = process.ppid;
  const code = `setInterval(() => { if (process.ppid !== ${parent}) process.kill(process.pid, "SIGKILL") }, 1000)`;
  new Worker(code, { eval: true, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 8 } }).unref();
}

/** At once: an orderly exit would wait for SQLite. Nothing here needs one; images are incomplete until said otherwise. */
function die(): void {
  process.kill(process.pid, "SIGKILL");
}
