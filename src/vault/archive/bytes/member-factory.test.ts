import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { deflateMemberSync, memberBytesMax } from "../../../encode/gzip-member.ts";
import { MemberFactory } from "./member-factory.ts";

const level = 5;
const contents = Array.from({ length: 16 }, (_, i) =>
  Buffer.from(Array.from({ length: 3000 }, (_, line) => `line ${line * i} of text ${i % 3}\n`).join("")),
);

async function makeAll(factory: MemberFactory): Promise<Buffer[]> {
  const making = contents.map((content) => {
    const raw = factory.takeRaw();
    content.copy(raw);
    return factory.make(raw, content.length, "auto");
  });
  return Promise.all(
    making.map(async (made) => {
      const { bytes, release } = await made;
      const copy = Buffer.from(bytes);
      release();
      return copy;
    }),
  );
}

function byZlib(): Buffer[] {
  return contents.map((content) =>
    Buffer.from(deflateMemberSync(content, level, Buffer.alloc(memberBytesMax)).bytes),
  );
}

test("a factory without a level makes the first members with zlib and the others with our own deflate, always the same bytes", async () => {
  await using factory = new MemberFactory(undefined);
  await using other = new MemberFactory(undefined);
  const members = await makeAll(factory);
  assert.deepEqual(await makeAll(other), members);
  assert.deepEqual(
    members.map((member) => gunzipSync(member)),
    contents,
  );
  const same = byZlib().map((member, i) => member.equals(members[i]!));
  assert.deepEqual(
    same,
    contents.map((_, i) => i < 8),
  );
});

test("a factory with a level leaves everything to zlib", async () => {
  await using factory = new MemberFactory(level);
  assert.deepEqual(await makeAll(factory), byZlib());
});
