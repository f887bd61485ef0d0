import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupError, isBackupError } from "../domain/error.ts";
import { localError } from "./local-errors.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed`), { code });
}

test("localError() tells full disks, missing permission and broken disks apart, each with a hint", () => {
  for (const [code, kind, retryable, message] of [
    ["ENOSPC", "no-space", false, "Cannot store x: the disk is full"],
    ["EDQUOT", "no-space", false, "Cannot store x: the disk quota of this user is used up"],
    ["EACCES", "storage-unavailable", false, "Cannot store x: permission is missing"],
    ["EROFS", "storage-unavailable", false, "Cannot store x: the file system is mounted read-only"],
    [
      "EIO",
      "storage-unavailable",
      true,
      "Cannot store x: the disk or the network share behind it does not answer properly",
    ],
    ["EMFILE", "storage-unavailable", true, "Cannot store x: too many files are open"],
  ] as const) {
    const cause = systemError(code);
    const error = localError(cause, "store x");
    assert.ok(isBackupError(error, kind), code);
    assert.equal(error.message, message);
    assert.equal(error.retryable, retryable);
    assert.equal(error.cause, cause);
    assert.match(error.hint ?? "", /^[A-Z].*\.$/);
  }
});

test("localError() keeps the text of codes it does not know", () => {
  const error = localError(systemError("ENOTTY"), "store x");
  assert.ok(isBackupError(error, "storage-unavailable"));
  assert.equal(error.message, "Cannot store x: ENOTTY: it failed");
});

test("localError() leaves errors of ours, cancellations and programming errors as they are", () => {
  const ours = new BackupError("exists", "Cannot store x: it exists");
  const abort = AbortSignal.abort().reason;
  const bug = Object.assign(new TypeError("wrong argument"), { code: "ERR_INVALID_ARG_TYPE" });
  for (const error of [ours, abort, bug]) assert.equal(localError(error, "store x"), error);
});
