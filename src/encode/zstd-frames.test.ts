import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { compress, decompress } from "./zstd.ts";
import { ZstdFrames } from "./zstd-frames.ts";

const text = Buffer.from("the same words, and numbers such as 1234, again and again ".repeat(50_000));

test("frame() makes of any bytes what compress() makes of them, whatever came before", () => {
  for (const level of [1, 3]) {
    const frames = new ZstdFrames(level);
    for (const length of [1, 0, 65, 1_000, 300_000, 2_500_000, 70]) {
      for (const plain of [text.subarray(0, length), randomBytes(length)]) {
        const frame = frames.frame(plain);
        assert.ok(compress(plain, level).equals(frame), `${length} bytes at level ${level}`);
        assert.ok(decompress(frame, length).equals(plain));
      }
    }
  }
});

test("frame() needs nothing that the streams of a runtime have inside", () => {
  const on = (): void => undefined;
  const state = new Uint32Array(2);
  const streams = [
    { on },
    { on, _handle: { writeSync: on }, _writeState: state },
    {
      on,
      _handle: {
        writeSync: () => {
          throw new Error("No such thing");
        },
      },
      _writeState: state,
    },
    {
      on,
      _handle: { writeSync: () => state.set([10, 0]) },
      _writeState: state,
    },
  ];
  for (const stream of streams) {
    const frame = new ZstdFrames(1, () => stream).frame(text.subarray(0, 5_000));
    assert.ok(compress(text.subarray(0, 5_000), 1).equals(frame));
  }
});
