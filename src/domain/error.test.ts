import assert from "node:assert/strict";
import { test } from "node:test";
import { errorText, reasonText } from "./error.ts";

test("reasonText() gives the code of a system error and what it means, without its call and path", () => {
  const error = (message: string, syscall: string): Error => Object.assign(new Error(message), { syscall });
  assert.equal(
    reasonText(error("EACCES: permission denied, open '/srv/a, open b'", "open")),
    "EACCES: permission denied",
  );
  assert.equal(reasonText(error("EIO: i/o error, read", "read")), "EIO: i/o error");
  assert.equal(reasonText(new Error("disk I/O error, read")), "disk I/O error, read");
  assert.equal(reasonText("a text"), "a text");
});

test("errorText() gives the beginning of a text that goes on for ever", () => {
  assert.equal(errorText(new Error("x".repeat(1000))), "x".repeat(1000));
  assert.equal(errorText(new Error("x".repeat(40_000_000))), `${"x".repeat(1000)}...`);
  assert.equal(errorText("y".repeat(1001)), `${"y".repeat(1000)}...`);
});
