import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { fc } from "../../testing/properties.ts";
import { piecesOf, poly1305 as poly1305OfPieces } from "./poly1305.ts";

function poly1305(key: Uint8Array, message: Uint8Array): Buffer {
  return Buffer.from(poly1305OfPieces(key, piecesOf(message)));
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** The definition in RFC 8439, section 2.5.1, word for word. */
function poly1305ByDefinition(key: Uint8Array, message: Uint8Array): Buffer {
  const number = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).reverse().toString("hex")}`);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = Buffer.concat([message.subarray(at, at + 16), Buffer.of(1)]);
    sum = ((sum + number(block)) * r) % ((1n << 130n) - 5n);
  }
  const tag = (sum + number(key.subarray(16))) & ((1n << 128n) - 1n);
  return Buffer.from(tag.toString(16).padStart(32, "0"), "hex").reverse();
}

// D. J. Bernstein, "The Poly1305-AES message-authentication code", appendix B; also in restic's tests.
const poly1305AesVectors = [
  {
    message: "f3f6",
    r: "851fc40c3467ac0be05cc20404f3f700",
    k: "ec074c835580741701425b623235add6",
    nonce: "fb447350c4e868c52ac3275cf9d4327e",
    tag: "f4c633c3044fc145f84f335cb81953de",
  },
  {
    message: "",
    r: "a0f3080000f46400d0c7e9076c834403",
    k: "75deaa25c09f208e1dc4ce6b5cad3fbf",
    nonce: "61ee09218d29b0aaed7e154a2c5509cc",
    tag: "dd3fab2251f11ac759f0887129cc2ee7",
  },
  {
    message: "663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136",
    r: "48443d0bb0d21109c89a100b5ce2c208",
    k: "6acb5f61a7176dd320c5c1eb2edcdc74",
    nonce: "ae212a55399729595dea458bc621ff0e",
    tag: "0ee1c16bb73f0f4fd19881753c01cdbe",
  },
  {
    message:
      "ab0812724a7f1e342742cbed374d94d136c6b8795d45b3819830f2c04491faf0" +
      "990c62e48b8018b2c3e4a0fa3134cb67fa83e158c994d961c4cb21095c1bf9",
    r: "12976a08c4426d0ce8a82407c4f48207",
    k: "e1a5668a4d5b66a5f68cc5424ed5982d",
    nonce: "9ae831e743978d3a23527c7128149e3a",
    tag: "5154ad0d2cb26e01274fc51148491f1b",
  },
] as const;

for (const [index, vector] of poly1305AesVectors.entries()) {
  test(`poly1305() gives the tag of example ${index + 1} of the Poly1305-AES paper`, () => {
    const cipher = createCipheriv("aes-128-ecb", hex(vector.k), null);
    const encryptedNonce = cipher.update(hex(vector.nonce));
    const tag = poly1305(Buffer.concat([hex(vector.r), encryptedNonce]), hex(vector.message));
    assert.equal(tag.toString("hex"), vector.tag);
  });
}

const zeros16 = "00".repeat(16);

// RFC 8439, appendix A.3, vectors 7 to 11: where an implementation with limbs forgets a carry.
const edgeVectors = [
  {
    name: "a sum of 2^130 - 5 or more",
    r: `01${"00".repeat(15)}`,
    message: `${"ff".repeat(16)} f0${"ff".repeat(15)} 11${"00".repeat(15)}`,
    tag: `05${"00".repeat(15)}`,
  },
  {
    name: "a sum of exactly 2^130 - 5",
    r: `01${"00".repeat(15)}`,
    message: `${"ff".repeat(16)} fb${"fe".repeat(15)} ${"01".repeat(16)}`,
    tag: zeros16,
  },
  {
    name: "a sum just below 2^130 - 5",
    r: `02${"00".repeat(15)}`,
    message: `fd${"ff".repeat(15)}`,
    tag: `fa${"ff".repeat(15)}`,
  },
  // These two by hand: 2 (2^129 - 2) = p + 1, and 2 (2^129 - 1) = p + 3.
  {
    name: "a sum of p + 1, which fits 130 bits",
    r: `02${"00".repeat(15)}`,
    message: `fe${"ff".repeat(15)}`,
    tag: `01${"00".repeat(15)}`,
  },
  {
    name: "a sum of p + 3, the greatest even one of 130 bits",
    r: `02${"00".repeat(15)}`,
    message: "ff".repeat(16),
    tag: `03${"00".repeat(15)}`,
  },
  {
    name: "a carry through 64 bits before the last block",
    r: `01${"00".repeat(7)}04${"00".repeat(7)}`,
    message: `e33594d7505e43b9${"00".repeat(8)} 3394d7505e4379cd01${"00".repeat(7)} ${zeros16} 01${"00".repeat(15)}`,
    tag: `14${"00".repeat(7)}55${"00".repeat(7)}`,
  },
  {
    name: "a carry through 64 bits in the last block",
    r: `01${"00".repeat(7)}04${"00".repeat(7)}`,
    message: `e33594d7505e43b9${"00".repeat(8)} 3394d7505e4379cd01${"00".repeat(7)} ${zeros16}`,
    tag: `13${"00".repeat(15)}`,
  },
] as const;

for (const vector of edgeVectors) {
  test(`poly1305() is right for ${vector.name}`, () => {
    assert.equal(poly1305(hex(vector.r + zeros16), hex(vector.message)).toString("hex"), vector.tag);
  });
}

test("poly1305() agrees with its definition for any key and message", () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  const extreme = fc.constantFrom(0x00, 0xff);
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(extreme, { maxLength: 300 }).map((list) => Uint8Array.from(list)),
  );
  const key = fc.oneof(bytes(32), fc.constant(new Uint8Array(32).fill(0xff)));
  fc.assert(
    fc.property(key, message, (someKey, someMessage) => {
      assert.deepEqual(poly1305(someKey, someMessage), poly1305ByDefinition(someKey, someMessage));
    }),
    { numRuns: 300 },
  );
});

test("poly1305() agrees with its definition around the pieces it is fed in", () => {
  const stream = createCipheriv("aes-256-ctr", Buffer.alloc(32, 1), Buffer.alloc(16));
  const bytes = stream.update(Buffer.alloc(140_000));
  const key = bytes.subarray(50, 82);
  for (const length of [32_767, 32_768, 32_769, 32_784, 65_535, 65_536, 65_537, 140_000]) {
    const message = bytes.subarray(0, length);
    assert.deepEqual(poly1305(key, message), poly1305ByDefinition(key, message), `length ${length}`);
  }
});
