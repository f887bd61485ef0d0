import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import { fc } from "../../../testing/properties.ts";
import { type ContentsText, readTexts, type TextRange } from "./archive-reader-texts.ts";
import { ContentsOutput } from "./archive-writer-contents.ts";

const signal = new AbortController().signal;
const longLine = "x".repeat(100_000);

async function textsOf(storage: MemoryStorage, name: string): Promise<ContentsText[]> {
  return await Array.fromAsync(readTexts({ storage, name }, signal));
}

/** A contents file of `lines`, as its members. */
async function parentOf(lines: readonly string[]): Promise<ContentsText[]> {
  const storage = new MemoryStorage();
  const output = new ContentsOutput(storage, "parent", signal);
  for (const line of lines) output.write(line);
  await output.finish();
  return await textsOf(storage, "parent");
}

async function written(work: (output: ContentsOutput) => void): Promise<ContentsText[]> {
  const storage = new MemoryStorage();
  const output = new ContentsOutput(storage, "child", signal);
  work(output);
  await output.finish();
  return await textsOf(storage, "child");
}

function whole(text: ContentsText): TextRange {
  return { text, from: 0, to: text.lines.length };
}

function joined(texts: readonly ContentsText[]): string {
  return texts.map(({ lines }) => lines.toString("latin1")).join("");
}

test("ContentsOutput takes whole members over as they are, whatever came before", async () => {
  const parent = await parentOf(Array.from({ length: 9 }, (_, i) => `${i}${longLine}`));
  assert.ok(parent.length >= 4);
  const texts = await written((output) => {
    output.write("another header");
    for (const text of parent.slice(1)) output.copy(whole(text));
  });
  assert.equal(texts[0]?.lines.toString("latin1"), "another header\n");
  assert.deepEqual(
    texts.slice(1).map(({ member }) => Buffer.from(member)),
    parent.slice(1).map(({ member }) => Buffer.from(member)),
  );
});

test("ContentsOutput writes the lines of a member again that is copied in part only", async () => {
  const [first, second] = await parentOf([longLine, `b${longLine}`, `c${longLine}`]);
  assert.ok(first !== undefined && second !== undefined);
  const texts = await written((output) => {
    output.copy({ text: first, from: 0, to: longLine.length + 1 });
    output.write("something new");
    output.copy({ text: second, from: 0, to: 0 });
    output.copy(whole(second));
    output.copy({ text: first, from: 0, to: longLine.length + 1 });
  });
  assert.equal(joined(texts), `${longLine}\nsomething new\n${second.lines.toString("latin1")}${longLine}\n`);
});

test("ContentsOutput writes what it was given, in order, however it is mixed", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 12 });
  const keep = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, keep, async (lengths, kept) => {
      const parent = await parentOf(lengths.map((length, index) => `${index}${"y".repeat(length)}`));
      let expected = "";
      const texts = await written((output) => {
        for (const range of parent.flatMap(linesIn)) {
          const line = range.text.lines.toString("latin1", range.from, range.to);
          const copied = kept[Number.parseInt(line, 10)] === true;
          if (copied) output.copy(range);
          else output.write("changed");
          expected += copied ? line : "changed\n";
        }
      });
      assert.equal(joined(texts), expected);
    }),
    { numRuns: 40 },
  );
});

function linesIn(text: ContentsText): TextRange[] {
  const ranges: TextRange[] = [];
  for (let from = 0; from < text.lines.length; ) {
    const to = text.lines.indexOf("\n", from) + 1;
    ranges.push({ text, from, to });
    from = to;
  }
  return ranges;
}
