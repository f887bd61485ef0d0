import assert from "node:assert/strict";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { type MemoryIo, memoryIo } from "../testing/memory-io.ts";
import { askForVault, askNewPassword } from "./ask-password.ts";

/** A terminal on which `input` is typed; `modes` says when what is typed was hidden and shown. */
function terminal(input: string, signal?: AbortSignal): { io: MemoryIo; modes: boolean[] } {
  const io = memoryIo({ terminalWidth: 80, input, ...(signal === undefined ? {} : { signal }) });
  const modes: boolean[] = [];
  Object.assign(io.stdin, { setRawMode: (raw: boolean) => modes.push(raw) });
  return { io, modes };
}

const typed: readonly (readonly [string, string])[] = [
  ["geheim\r", "geheim"],
  ["geheim\n", "geheim"],
  [" two words \r", " two words "],
  ["geheinm\x7f\x7fm\r", "geheim"],
  ["wrong\x15geheim\r", "geheim"],
  ["пар\x7fроль\r", "пароль"],
  ["\r", ""],
  ["geheim\x04", "geheim"],
];

test("askForVault() reads one line, edited as on any terminal, and shows nothing of it", async () => {
  for (const [input, password] of typed) {
    const { io, modes } = terminal(input);
    assert.equal(await askForVault(io, "/srv/b", "open"), password);
    assert.deepEqual(modes, [true, false]);
    assert.equal(io.stderr.text, "Password of /srv/b: \n");
    assert.equal(io.stdout.text, "");
  }
});

test("askForVault() asks twice for a new repository, also where both answers come at once", async () => {
  for (const input of ["one\rone\r", "one\none\n", "one\r\none\r\n"]) {
    assert.equal(await askForVault(terminal(input).io, "/srv/b", "new"), "one");
  }
  const { io, modes } = terminal("one\rtwo\r");
  await assert.rejects(askForVault(io, "/srv/b", "new"), (error) => isBackupError(error, "invalid-input"));
  assert.deepEqual(modes, [true, false, true, false]);
});

test("askForVault() ends with Ctrl-C and with a cancellation, and shows again what is typed", async () => {
  const { io, modes } = terminal("half\x03");
  await assert.rejects(askForVault(io, "/srv/b", "open"), { name: "AbortError" });
  assert.deepEqual(modes, [true, false]);

  const controller = new AbortController();
  const waiting = terminal("half", controller.signal);
  // The input must not end by itself.
  waiting.io.stdin.removeAllListeners("end");
  Object.assign(waiting.io.stdin, { once: () => waiting.io.stdin });
  const asked = askForVault(waiting.io, "/srv/b", "open");
  setTimeout(() => controller.abort(), 10);
  await assert.rejects(asked, { name: "AbortError" });
  assert.deepEqual(waiting.modes, [true, false]);
});

test("askForVault() says so where the input ends", async () => {
  await assert.rejects(askForVault(terminal("half").io, "/srv/b", "open"), (error) =>
    isBackupError(error, "invalid-input"),
  );
});

test("askNewPassword() refuses to ask where nobody can answer", async () => {
  await assert.rejects(askNewPassword(memoryIo({ input: "a\na\n" }), "New: "), (error) =>
    isBackupError(error, "invalid-input"),
  );
});
