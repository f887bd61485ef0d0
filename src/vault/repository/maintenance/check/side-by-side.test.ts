import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { signal } from "../../../../testing/vault-probe.ts";
import { sideBySide } from "./side-by-side.ts";

test("sideBySide() gives both results", async () => {
  assert.deepEqual(
    await sideBySide(
      async () => 1,
      () => sleep(1, "two"),
      signal,
    ),
    [1, "two"],
  );
});

test("sideBySide() ends the other when one fails, waits for it, and throws the first failure", async () => {
  let ended = false;
  const slow = async (either: AbortSignal): Promise<void> => {
    try {
      await sleep(10_000, undefined, { signal: either });
    } finally {
      ended = true;
    }
  };
  const failing = async (): Promise<never> => {
    throw new RangeError("the first");
  };
  for (const pair of [[slow, failing] as const, [failing, slow] as const]) {
    ended = false;
    await assert.rejects(sideBySide(pair[0], pair[1], signal), /the first/);
    assert.equal(ended, true);
  }
});

test("sideBySide() ends both when it is cancelled", async () => {
  const cancelled = new AbortController();
  const slow = (either: AbortSignal): Promise<void> => sleep(10_000, undefined, { signal: either });
  const running = sideBySide(slow, slow, cancelled.signal);
  cancelled.abort();
  await assert.rejects(running, { name: "AbortError" });
});
