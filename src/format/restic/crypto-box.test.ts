import assert from "node:assert/strict";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import {
  boxOverheadBytes,
  decryptUnproven,
  encodeMasterKey,
  newMasterKey,
  openBox,
  openBoxInto,
  parseMasterKey,
  sealBox,
  sealBoxInto,
} from "./crypto-box.ts";
import type { MasterKey } from "./model.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const isDamaged = (error: unknown): boolean => isBackupError(error, "damaged");

// restic: internal/repository/crypto/crypto_int_test.go, `testValues`.
const resticKey: MasterKey = {
  encrypt: hex("303e8687b1d7db18421bdc6bb8588ccadac4d59ee87b8ff70c44e635790cafef"),
  mac: { k: hex("ef4d8824cb80b2bcc5fbff8a9b12a42c"), r: hex("cc8d4b948ee0ebfe1d415de921d10353") },
};
const resticBox = hex(
  "69fb41c62d12def4593bd71757138606338f621aeaeb39da0fe4f99233f8037a54ea63338a813bcf3f75d8c3cc75dddf8750",
);

test("openBox() opens the box of restic's own tests", () => {
  assert.equal(openBox(resticKey, resticBox).toString(), "Dies ist ein Test!");
});

test("openBox() opens what sealBox() sealed, at every length", () => {
  const key = newMasterKey();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (plain) => {
      const box = sealBox(key, plain);
      assert.equal(box.length, plain.length + boxOverheadBytes);
      assert.deepEqual(openBox(key, box), Buffer.from(plain));
    }),
    { numRuns: 200 },
  );
  const large = Buffer.alloc(3_000_001, "large ");
  assert.deepEqual(openBox(key, sealBox(key, large)), large);
});

test("openBox() finds every flipped bit of a box", () => {
  for (let bit = 0; bit < resticBox.length * 8; bit += 1) {
    const box = Buffer.from(resticBox);
    box[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => openBox(resticKey, box), isDamaged, `bit ${bit}`);
  }
});

test("openBox() finds a flipped byte anywhere in a long box", () => {
  const key = newMasterKey();
  const box = sealBox(key, Buffer.alloc(200_000));
  for (let at = 0; at < box.length; at += 997) {
    box[at]! ^= 0x80;
    assert.throws(() => openBox(key, box), isDamaged, `byte ${at}`);
    box[at]! ^= 0x80;
  }
  assert.equal(openBox(key, box).length, 200_000);
});

test("openBoxInto() opens as openBox() does, and writes no more than is inside", () => {
  const key = newMasterKey();
  for (const length of [0, 1, 16, 32_767, 32_768, 100_001]) {
    const plain = Buffer.alloc(length, "words ");
    const target = Buffer.alloc(length + 10, 0xee);
    assert.equal(openBoxInto(key, sealBox(key, plain), target), length);
    assert.deepEqual(target.subarray(0, length), plain);
    assert.ok(target.subarray(length).every((byte) => byte === 0xee));
  }
});

test("openBoxInto() finds every flipped bit, a short box and a target that is too small", () => {
  const target = Buffer.alloc(100);
  for (let bit = 0; bit < resticBox.length * 8; bit += 1) {
    const box = Buffer.from(resticBox);
    box[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => openBoxInto(resticKey, box, target), isDamaged, `bit ${bit}`);
  }
  assert.throws(() => openBoxInto(resticKey, resticBox.subarray(0, 31), target), isDamaged);
  assert.throws(() => openBoxInto(resticKey, resticBox, Buffer.alloc(17)), /17 are free/);
});

test("decryptUnproven() gives what openBoxInto() gives, and other bytes where the box was changed", () => {
  const key = newMasterKey();
  for (const length of [0, 1, 131_071, 131_072, 300_001]) {
    const plain = Buffer.alloc(length, "words ");
    const target = Buffer.alloc(length + 10, 0xee);
    const box = sealBox(key, plain);
    assert.equal(decryptUnproven(key, box, target), length);
    assert.ok(target.subarray(0, length).equals(plain));
    assert.ok(target.subarray(length).every((byte) => byte === 0xee));
    if (length === 0) continue;
    box[16 + length - 1]! ^= 1;
    decryptUnproven(key, box, target);
    assert.ok(!target.subarray(0, length).equals(plain));
  }
});

test("decryptUnproven() refuses an IV of zeros, a short box and a target that is too small", () => {
  const target = Buffer.alloc(100);
  const box = Buffer.concat([Buffer.alloc(16), resticBox.subarray(16)]);
  assert.throws(() => decryptUnproven(resticKey, box, target), /its IV is all zeros/);
  assert.throws(() => decryptUnproven(resticKey, resticBox.subarray(0, 31), target), isDamaged);
  assert.throws(() => decryptUnproven(resticKey, resticBox, Buffer.alloc(17)), /17 are free/);
});

test("openBox() refuses a box that was cut short, down to nothing", () => {
  for (let length = 0; length < resticBox.length; length += 1) {
    assert.throws(() => openBox(resticKey, resticBox.subarray(0, length)), isDamaged, `length ${length}`);
  }
});

test("openBox() refuses an IV of zeros", () => {
  const box = Buffer.concat([Buffer.alloc(16), resticBox.subarray(16)]);
  assert.throws(() => openBox(resticKey, box), /its IV is all zeros/);
});

test("openBox() refuses a box of another key, also where only one part of it differs", () => {
  const other = newMasterKey();
  assert.throws(() => openBox(other, resticBox), isDamaged);
  const { k, r } = resticKey.mac;
  assert.throws(() => openBox({ ...resticKey, mac: { k, r: other.mac.r } }, resticBox), isDamaged);
  assert.throws(() => openBox({ ...resticKey, mac: { k: other.mac.k, r } }, resticBox), isDamaged);
});

test("sealBox() never uses an IV twice", () => {
  const key = newMasterKey();
  const boxes = Array.from({ length: 3000 }, () => sealBox(key, Buffer.from("same")));
  const ivs = new Set(boxes.map((box) => box.toString("hex", 0, 16)));
  assert.equal(ivs.size, boxes.length);
});

test("sealBoxInto() writes where it is told and nowhere else", () => {
  const key = newMasterKey();
  const target = Buffer.alloc(100, 0xee);
  assert.equal(sealBoxInto(key, Buffer.from("inside"), target, 10), 38);
  assert.equal(openBox(key, target.subarray(10, 48)).toString(), "inside");
  assert.ok(target.subarray(0, 10).every((byte) => byte === 0xee));
  assert.ok(target.subarray(48).every((byte) => byte === 0xee));
});

test("sealBoxInto() refuses a target that is too small", () => {
  const key = newMasterKey();
  assert.throws(() => sealBoxInto(key, Buffer.from("inside"), Buffer.alloc(40), 3), /37 are free/);
});

test("parseMasterKey() reads what encodeMasterKey() wrote, in restic's order of fields", () => {
  const text = encodeMasterKey(resticKey).toString();
  assert.equal(
    text,
    '{"mac":{"k":"702IJMuAsrzF+/+KmxKkLA==","r":"zI1LlI7g6/4dQV3pIdEDUw=="},' +
      '"encrypt":"MD6Gh7HX2xhCG9xruFiMytrE1Z7oe4/3DETmNXkMr+8="}',
  );
  const key = parseMasterKey(Buffer.from(text));
  assert.equal(openBox(key, resticBox).toString(), "Dies ist ein Test!");
});

test("parseMasterKey() refuses anything else, and never quotes it", () => {
  const zero = Buffer.alloc(32).toString("base64");
  const secret = "702IJMuAsrzF+/+KmxKkLA==";
  const wrong = [
    "",
    "null",
    "[]",
    `{"mac":"${secret}"`,
    `{"mac":{"k":"${secret}"},"encrypt":"${secret}"}`,
    `{"mac":{"k":"${secret}","r":"${secret}"},"encrypt":"${secret}"}`,
    `{"mac":{"k":"${secret}","r":"${secret}"},"encrypt":"${zero}"}`,
    `{"mac":{"k":"${secret}","r":"${secret}"},"encrypt":7}`,
  ];
  for (const text of wrong) {
    assert.throws(
      () => parseMasterKey(Buffer.from(text)),
      (error: Error) => isDamaged(error) && error.cause === undefined && !error.message.includes("702IJ"),
      text,
    );
  }
});
