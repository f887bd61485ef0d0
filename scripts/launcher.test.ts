import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";

/** Installs as npm would, when the file `go` is there; notes that it was called. */
const npm = `#!/bin/sh
echo called >>calls
rm -rf node_modules/* && mkdir -p node_modules || exit 1
while [ ! -e go ]; do sleep 0.05; done
mkdir -p node_modules/node/bin
printf '#!/bin/sh\\necho started\\n' >node_modules/node/bin/node
chmod +x node_modules/node/bin/node
`;

interface Checkout extends Disposable {
  readonly home: string;
  start(): ChildProcess;
}

/** A fresh clone, with an npm of its own. */
function freshCheckout(): Checkout {
  const home = mkdtempSync(join(tmpdir(), "vertex-launcher-"));
  for (const folder of ["bin", "wasm", "scripts"]) mkdirSync(join(home, folder));
  for (const file of ["package-lock.json", "wasm/x.ts", "scripts/build-wasm.ts"]) {
    writeFileSync(join(home, file), "{}");
  }
  copyFileSync(join(import.meta.dirname, "../vertex-backup"), join(home, "vertex-backup"));
  writeFileSync(join(home, "bin/npm"), npm, { mode: 0o755 });
  symlinkSync(process.execPath, join(home, "bin/node"));
  const env = { PATH: `${join(home, "bin")}:${process.env["PATH"] ?? ""}` };
  return {
    home,
    start: () => spawn(join(home, "vertex-backup"), ["list"], { env, stdio: ["ignore", "pipe", "pipe"] }),
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

async function startedBy(child: ChildProcess): Promise<readonly unknown[]> {
  const [output, [code]] = await Promise.all([text(child.stdout!), once(child, "exit")]);
  return [output, code];
}

/** Resolves once the error stream has these words. */
async function says(child: ChildProcess, words: string): Promise<void> {
  let said = "";
  for await (const chunk of child.stderr!.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (said.includes(words)) return;
  }
  assert.fail(`it never said "${words}": ${said}`);
}

test("two first starts at once install once: the second waits and says so", async () => {
  using checkout = freshCheckout();
  const { home } = checkout;
  const first = checkout.start();
  const firstDone = startedBy(first);
  await says(first, "Installing");
  const second = checkout.start();
  const secondDone = startedBy(second);
  await says(second, "Waiting for another start");
  writeFileSync(join(home, "go"), "");
  assert.deepEqual(await Promise.all([firstDone, secondDone]), [
    ["started\n", 0],
    ["started\n", 0],
  ]);
  assert.equal(readFileSync(join(home, "calls"), "utf8"), "called\n");
});

test("a start installs where an earlier one was killed, once the npm that it left behind has ended", async () => {
  using checkout = freshCheckout();
  const { home } = checkout;
  const first = checkout.start();
  await says(first, "Installing");
  while (!existsSync(join(home, "calls"))) await setTimeout(10);
  first.kill("SIGKILL");
  await once(first, "exit");
  const second = checkout.start();
  const secondDone = startedBy(second);
  await says(second, "Waiting for another start");
  writeFileSync(join(home, "go"), "");
  assert.deepEqual(await secondDone, ["started\n", 0]);
  assert.equal(
    readFileSync(join(home, "calls"), "utf8"),
    "called\ncalled\n",
    "what the first left is not trusted",
  );
});

test("a start whose installation fails leaves nothing that a later one takes for done", async () => {
  using checkout = freshCheckout();
  const { home } = checkout;
  writeFileSync(join(home, "go"), "");
  writeFileSync(join(home, "node_modules"), "in npm's way");
  assert.deepEqual(await startedBy(checkout.start()), ["", 1]);
  rmSync(join(home, "node_modules"));
  assert.deepEqual(await startedBy(checkout.start()), ["started\n", 0]);
});
