import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { crc32, gunzipSync } from "node:zlib";
import { isBackupError } from "../domain/error.ts";
import { DeflateThreads, failureOf } from "./deflate-threads.ts";
import { memberBytesMax, memberLength, memberRawBytesMax } from "./gzip-member.ts";

function buffer(size: number): Buffer {
  return Buffer.allocUnsafeSlow(size);
}

test("DeflateThreads make members of more jobs than threads, each of its own bytes, and give buffers back", async () => {
  await using threads = new DeflateThreads();
  const contents = Array.from({ length: 12 }, (_, i) =>
    i % 4 === 3 ? randomBytes(memberRawBytesMax) : Buffer.from(`line ${i} and so on\n`.repeat(i * 900)),
  );
  await Promise.all(
    contents.map(async (content, i) => {
      const raw = buffer(memberRawBytesMax);
      content.copy(raw);
      const made = await threads.make(
        { raw, rawBytes: content.length, target: buffer(memberBytesMax) },
        i % 5 === 0 ? "store" : "deflate",
      );
      assert.equal(memberLength(made.member.bytes), made.member.bytes.length);
      assert.equal(made.member.crc32, crc32(made.member.bytes));
      assert.deepEqual(gunzipSync(made.member.bytes), content);
      assert.equal(made.raw.length, memberRawBytesMax);
      assert.equal(made.target.length, memberBytesMax);
      assert.equal(raw.length, 0, "handed over, not copied");
    }),
  );
});

test("DeflateThreads that are closed finish what they have in work", async () => {
  const threads = new DeflateThreads();
  const jobs = [1, 2, 3].map(() =>
    threads.make(
      { raw: buffer(100_000).fill("text "), rawBytes: 100_000, target: buffer(memberBytesMax) },
      "deflate",
    ),
  );
  const [made] = await Promise.all([Promise.all(jobs), threads[Symbol.asyncDispose]()]);
  for (const { member } of made) assert.equal(gunzipSync(member.bytes).length, 100_000);
});

test("DeflateThreads refuse all jobs once one of them failed", async () => {
  const threads = new DeflateThreads();
  const isFailure = (error: unknown): boolean =>
    isBackupError(error, "bug") && error.message.startsWith("Cannot compress");
  // More than the kernel takes.
  const tooLarge = threads.make(
    { raw: buffer(memberRawBytesMax + 1), rawBytes: memberRawBytesMax + 1, target: buffer(memberBytesMax) },
    "deflate",
  );
  await assert.rejects(tooLarge, isFailure);
  await assert.rejects(
    threads.make({ raw: buffer(10), rawBytes: 10, target: buffer(memberBytesMax) }, "deflate"),
    isFailure,
  );
  await threads[Symbol.asyncDispose]();
});

test("DeflateThreads that are closed refuse jobs", async () => {
  const threads = new DeflateThreads();
  await threads[Symbol.asyncDispose]();
  await assert.rejects(
    threads.make({ raw: buffer(10), rawBytes: 10, target: buffer(memberBytesMax) }, "deflate"),
    (error) => isBackupError(error, "bug") && error.message.endsWith("closed"),
  );
});

/** Makes one member in a process of its own, and tells what became of it. */
function makeApart(flags: readonly string[], before: string): string {
  const script = `
    import { DeflateThreads } from ${JSON.stringify(new URL("./deflate-threads.ts", import.meta.url).href)};
    ${before}
    const raw = Buffer.allocUnsafeSlow(50).fill("a");
    try {
      await new DeflateThreads().make({ raw, rawBytes: 50, target: Buffer.allocUnsafeSlow(500) }, "deflate");
    } catch (error) {
      console.log(error.kind, raw.length);
    }`;
  return execFileSync(process.execPath, [...flags, "--input-type=module", "-e", script], {
    encoding: "utf8",
  });
}

test("DeflateThreads are unsupported, and take no buffer, where the module cannot be compiled or no thread started", () => {
  const noSimd = 'WebAssembly.Module = function () { throw new Error("Wasm SIMD unsupported"); };';
  assert.equal(makeApart([], noSimd), "unsupported 50\n");
  // Without leave to start threads, which fails where a limit of processes would.
  assert.equal(makeApart(["--permission", "--allow-fs-read=*"], ""), "unsupported 50\n");
});

test("failureOf() keeps the words and the hint of what a thread threw", async () => {
  const check = new URL("./inflate-check.ts", import.meta.url).href;
  const script = `
    import { assertInflates } from ${JSON.stringify(check)};
    assertInflates(Buffer.from("no gzip"), Buffer.from("text"));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
  const [thrown]: unknown[] = await once(worker, "error");
  const failure = failureOf(thrown);
  assert.equal(failure.message, "Cannot compress: what was compressed is not what comes out");
  assert.match(failure.hint ?? "", /give a level/);
  assert.equal(failureOf(new RangeError("too much")).message, "Cannot compress: too much");
  const exhausted = Object.assign(new Error("heap"), { code: "ERR_WORKER_OUT_OF_MEMORY" });
  assert.match(failureOf(exhausted).hint ?? "", /short of memory/);
});

test("DeflateThreads one of which dies at work fail what is in work and what comes, say what helps, and close", async () => {
  const script = `
    import { Worker } from "node:worker_threads";
    import { DeflateThreads } from ${JSON.stringify(new URL("./deflate-threads.ts", import.meta.url).href)};
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message, list) {
      postMessage.call(this, message, list);
      if (message.raw !== undefined) void this.terminate();
    };
    const threads = new DeflateThreads();
    const make = () => threads.make(
      { raw: Buffer.allocUnsafeSlow(50).fill("a"), rawBytes: 50, target: Buffer.allocUnsafeSlow(500) }, "deflate");
    for (const { reason } of await Promise.allSettled([make(), make()])) console.log(reason.message, reason.hint);
    await make().catch(({ message }) => console.log(message));
    await threads[Symbol.asyncDispose]();
    console.log("closed");`;
  const told = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const lines = told.trimEnd().split("\n");
  assert.equal(lines.length, 4, told);
  for (const line of lines.slice(0, 3)) assert.match(line, /^Cannot compress: its thread ended/);
  assert.match(lines[0] ?? "", /short of memory.*--level 5/);
  assert.equal(lines[3], "closed");
});

test("DeflateThreads that nobody closes do not keep a process alive", () => {
  const script = `
    import { DeflateThreads } from ${JSON.stringify(new URL("./deflate-threads.ts", import.meta.url).href)};
    const made = await new DeflateThreads().make({ raw: Buffer.allocUnsafeSlow(50).fill("a"), rawBytes: 50, target: Buffer.allocUnsafeSlow(500) }, "deflate");
    console.log(made.member.rawBytes);`;
  assert.equal(execFileSync(process.execPath, ["--input-type=module", "-e", script]).toString(), "50\n");
});
