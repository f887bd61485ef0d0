import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateRawSync, gunzipSync, inflateRawSync } from "node:zlib";
import { isBackupError } from "../domain/error.ts";
import { fc } from "../testing/properties.ts";
import { compileDeflate, DeflateKernel } from "./deflate-kernel.ts";
import { deflateMemberWith, memberBytesMax, memberRawBytesMax, storedMemberBytes } from "./gzip-member.ts";
import { assertInflates } from "./inflate-check.ts";

const kernel = new DeflateKernel(compileDeflate());
const target = Buffer.alloc(memberBytesMax);

/** Bytes as files have them: stretches that are random, of few values, repeated, or seen before at any distance. */
const stretch = fc.oneof(
  fc.record({ kind: fc.constant("random" as const), length: fc.nat(3000), below: fc.constant(256) }),
  fc.record({
    kind: fc.constant("few" as const),
    length: fc.nat(20_000),
    below: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({
    kind: fc.constant("again" as const),
    length: fc.oneof(fc.nat(12), fc.nat(600), fc.nat(40_000)),
    back: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 32_760, max: 32_776 }), fc.nat(90_000)),
  }),
);

const content = fc
  .tuple(fc.array(stretch, { maxLength: 40 }), fc.integer({ min: 1, max: 0x7fffffff }))
  .map(([stretches, seed]) => {
    const raw = Buffer.alloc(memberRawBytesMax);
    let state = seed;
    let at = 0;
    for (const part of stretches) {
      const end = Math.min(raw.length, at + part.length);
      for (; at < end; at++) {
        if (part.kind === "again") {
          raw[at] = raw[Math.max(0, at - Math.max(1, part.back))]!;
          continue;
        }
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        raw[at] = (state >>> 16) % part.below;
      }
    }
    return raw.subarray(0, at);
  });

function compress(raw: Uint8Array): Buffer {
  const stream = kernel.compress(raw, raw.length + 4096);
  assert.ok(stream !== undefined);
  return Buffer.from(stream);
}

function assertComesBack(raw: Uint8Array, what: string): void {
  assert.ok(inflateRawSync(compress(raw)).equals(raw), what);
}

test("what the deflate kernel compresses, zlib inflates to the same bytes", () => {
  fc.assert(
    fc.property(content, (raw) => assertComesBack(raw, `${raw.length} bytes`)),
    { numRuns: 150 },
  );
});

test("the deflate kernel takes every size at which something in it ends", () => {
  const random = randomBytes(memberRawBytesMax);
  const text = readFileSync(import.meta.filename);
  const repeated = Buffer.alloc(memberRawBytesMax, text);
  const zeros = Buffer.alloc(memberRawBytesMax);
  const around = [255, 258, 259, 260, 516, 19_999, 20_000, 20_001, 32_768, 65_535, 131_070, 1 << 20];
  const sizes = new Set(around.flatMap((size) => [size - 1, size, size + 1]));
  for (let size = 0; size <= 40; size++) sizes.add(size);
  for (const size of sizes) {
    if (size > memberRawBytesMax) continue;
    for (const from of [random, repeated, zeros]) assertComesBack(from.subarray(0, size), `${size} bytes`);
  }
  assert.throws(() => kernel.compress(Buffer.alloc(memberRawBytesMax + 1), memberBytesMax), RangeError);
});

test("the deflate kernel keeps codes short where symbols are so rare that the best code were too long", () => {
  const raw = Buffer.alloc(400_000);
  let state = 7;
  for (let at = 0; at < raw.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // Each number half as often as the one before it, between bytes that leave few matches.
    raw[at] = at % 2 === 0 ? Math.clz32(state) : 100 + ((state >>> 8) % 100);
  }
  assert.ok(raw.includes(15));
  assertComesBack(raw, "skewed");
});

test("the deflate kernel keeps every bound on its output, or says that it cannot", () => {
  let refused = 0;
  fc.assert(
    fc.property(content, fc.double({ min: 0, max: 1.1, noNaN: true }), (raw, share) => {
      const whole = compress(raw).length;
      const bytesMax = Math.floor(whole * share);
      const stream = kernel.compress(raw, bytesMax);
      if (stream === undefined) refused++;
      else {
        assert.ok(stream.length <= bytesMax);
        assert.ok(inflateRawSync(stream).equals(raw));
      }
      // A little is kept back for the parts of a byte.
      assert.ok(stream !== undefined || bytesMax < whole + 3, `${whole} bytes in ${bytesMax}`);
    }),
    { numRuns: 60 },
  );
  assert.ok(refused > 20, "the bound is really met");
});

test("the deflate kernel makes the same bytes of the same input, whatever came before", () => {
  const raw = readFileSync(import.meta.filename).subarray(0, 3001);
  const first = compress(raw);
  compress(randomBytes(memberRawBytesMax));
  assert.deepEqual(compress(raw), first);
  assert.deepEqual(new DeflateKernel(compileDeflate()).compress(raw, 10_000), new Uint8Array(first));
});

test("the deflate kernel shrinks text nearly as zlib does at level 6, and numbers of hexadecimal digits to half", () => {
  const words = Array.from({ length: 4000 }, (_, i) =>
    Math.imul(i + 1, 0x9e3779b1)
      .toString(36)
      .slice(-6),
  );
  let state = 1;
  const word = (): string => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    // The first words come more often, as in a language.
    return words[Math.floor((state / 2 ** 32) ** 3 * words.length)]!;
  };
  const text = Buffer.from(Array.from({ length: 100_000 }, word).join(" "));
  const ratio = compress(text).length / deflateRawSync(text, { level: 6 }).length;
  assert.ok(ratio < 1.03, `${ratio} of zlib's level 6`);
  const digits = Buffer.from(randomBytes(100_000).toString("hex"));
  assert.ok(compress(digits).length < digits.length * 0.6);
});

test("a member made with the kernel is gzip to everybody, and stored where it does not shrink", () => {
  for (const raw of [Buffer.alloc(0), Buffer.from("abc"), randomBytes(memberRawBytesMax)]) {
    const member = deflateMemberWith(kernel, raw, target);
    assert.ok(member.bytes.length <= storedMemberBytes(raw.length));
    assert.deepEqual(gunzipSync(member.bytes), raw);
    assertInflates(member.bytes, raw);
  }
});

test("assertInflates() notices whatever a broken compressor makes of a member", () => {
  const raw = Buffer.from("Bytes that are to be protected, and bytes that are to be compressed.".repeat(20));
  const stream = compress(raw);
  for (let bit = 0; bit < stream.length * 8; bit++) {
    const compressor = {
      compress: () => {
        const broken = Buffer.from(stream);
        broken[bit >> 3]! ^= 1 << (bit & 7);
        return broken;
      },
    };
    const member = deflateMemberWith(compressor, raw, target);
    let inflated: Buffer | undefined;
    try {
      inflated = inflateRawSync(compressor.compress());
    } catch {
      // It shows.
    }
    // Bits behind the end of a stream say nothing.
    if (inflated?.equals(raw)) continue;
    assert.throws(
      () => assertInflates(member.bytes, raw),
      (error) => isBackupError(error, "bug"),
    );
  }
});
