import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { crc32, deflateRawSync, gunzipSync } from "node:zlib";
import { isBackupError } from "../domain/error.ts";
import { fc } from "../testing/properties.ts";
import {
  decodeMember,
  deflateMember,
  memberBytesMax,
  memberHeaderBytes,
  memberLength,
  memberRawBytesMax,
  storeMember,
} from "./gzip-member.ts";

const target = Buffer.alloc(memberBytesMax);

test("a member, compressed or stored, is gzip to everybody and comes back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 80_000, size: "max" }), fc.boolean(), async (raw, store) => {
      const member = store ? storeMember(raw, target) : await deflateMember(raw, 6, target);
      assert.equal(memberLength(member.bytes), member.bytes.length);
      assert.equal(member.crc32, crc32(member.bytes));
      assert.deepEqual(gunzipSync(member.bytes), Buffer.from(raw));
      assert.deepEqual(
        Buffer.from(await decodeMember(member.bytes, raw.length, undefined)),
        Buffer.from(raw),
      );
    }),
    { numRuns: 15 },
  );
});

test("deflateMember() stores what does not shrink, so that no member exceeds its bound", async () => {
  const raw = randomBytes(memberRawBytesMax);
  const member = await deflateMember(raw, 6, target);
  assert.equal(member.bytes.length, memberBytesMax);
  assert.deepEqual(gunzipSync(member.bytes), raw);
});

test("decodeMember() never hands out other bytes than were encoded, whichever byte is changed", async () => {
  const raw = Buffer.from("some words, some words and more words".repeat(9));
  const bytes = Buffer.from((await deflateMember(raw, 6, target)).bytes);
  let refused = 0;
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 0x10;
    const decoded = await decodeMember(changed, raw.length, undefined).catch((error: unknown) => {
      assert.ok(isBackupError(error, "damaged"), String(error));
      refused++;
      return raw;
    });
    assert.deepEqual(Buffer.from(decoded), raw);
  }
  assert.ok(refused > bytes.length - 3, "changes are really noticed");
});

test("decodeMember() refuses a member that inflates to more than it says", async () => {
  const bomb = deflateRawSync(Buffer.alloc(50_000_000));
  const honest = Buffer.from(storeMember(Buffer.alloc(10), target).bytes);
  const member = Buffer.concat([honest.subarray(0, memberHeaderBytes), bomb, honest.subarray(-8)]);
  member.writeUInt32LE(member.length, memberHeaderBytes - 4);
  await assert.rejects(decodeMember(member, 10, undefined), (error) => isBackupError(error, "damaged"));
});
