import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStream } from "../testing/memory-io.ts";
import { formatProgress, ProgressLine, type ProgressLineOptions } from "./progress-line.ts";
import { createPalette } from "./render/palette.ts";

class SetClock {
  atMs = 0;
  now(): number {
    return this.atMs;
  }
  elapsed(): number {
    return this.atMs;
  }
}

function lineOn(columns: number | undefined, changes: Partial<ProgressLineOptions> = {}) {
  const stream = memoryStream(columns);
  const clock = new SetClock();
  const options = { drawn: columns !== undefined, quiet: false, verbose: false, ...changes };
  const line = new ProgressLine({ stream, clock, palette: createPalette(false), ...options });
  return { stream, clock, line };
}

const problem = { kind: "vanished", path: "a\x1b[31m", message: "gone" } as const;

test("formatProgress() says phase, percent, amounts, rate, counts, time left and what is worked on", () => {
  const text = formatProgress({
    phase: "store",
    bytesDone: 250_000_000,
    bytesTotal: 1_000_000_000,
    itemsDone: 1200,
    itemsTotal: 12_000,
    current: "uploads/a\nb.jpg",
    phaseElapsedMs: 2000,
  });
  assert.equal(
    text,
    "storing  25%  250.0 MB of 1.0 GB  125.0 MB/s  1,200 of 12,000 items  ETA 6.0 s  uploads/a\\x0ab.jpg",
  );
});

test("formatProgress() leaves out what is not known", () => {
  assert.equal(
    formatProgress({ phase: "scan", bytesDone: 0, itemsDone: 41, phaseElapsedMs: 10 }),
    "looking for files  41 items",
  );
  assert.equal(
    formatProgress({ phase: "lock", bytesDone: 0, itemsDone: 0, phaseElapsedMs: 0 }),
    "waiting for another run",
  );
});

test("a progress line is redrawn at most ten times a second and cleared at the end", () => {
  const { stream, clock, line } = lineOn(80);
  for (clock.atMs = 0; clock.atMs < 1000; clock.atMs += 1) {
    line.progress({ phase: "store", bytesDone: clock.atMs, itemsDone: 0 });
  }
  assert.equal(stream.text.split("\r").length - 1, 10);
  line[Symbol.dispose]();
  assert.ok(stream.text.endsWith("\r\x1b[K"));
});

test("a progress line never reaches the last column of the terminal", () => {
  const { stream, line } = lineOn(20);
  line.progress({ phase: "store", bytesDone: 5, itemsDone: 5, current: "a".repeat(200) });
  assert.equal(stream.text.replace("\r\x1b[K", "").length, 19);
});

test("a progress line draws nothing where there is no terminal, but prints its status when asked", () => {
  const { stream, line } = lineOn(undefined);
  line.progress({ phase: "store", bytesDone: 5, itemsDone: 1 });
  assert.equal(stream.text, "");
  line.printStatus();
  assert.equal(stream.text, "storing  5 B  1 item\n");
});

test("a progress line prints warnings once and above the line", () => {
  const { stream, line } = lineOn(80);
  line.progress({ phase: "scan", bytesDone: 0, itemsDone: 1 });
  line.warning("the clock is behind");
  line.warning("the clock is behind");
  const scan = "\r\x1b[Klooking for files  1 item";
  assert.equal(stream.text, `${scan}\r\x1b[Kwarning: the clock is behind\n${scan}`);
});

test("problems are printed with -v only, escaped, and -q silences warnings too", () => {
  const silent = lineOn(undefined);
  silent.line.problem(problem);
  assert.equal(silent.stream.text, "");
  const verbose = lineOn(undefined, { verbose: true });
  verbose.line.problem(problem);
  assert.equal(verbose.stream.text, "vanished: a\\x1b[31m: gone\n");
  const quiet = lineOn(undefined, { quiet: true });
  quiet.line.warning("something");
  assert.equal(quiet.stream.text, "");
});
