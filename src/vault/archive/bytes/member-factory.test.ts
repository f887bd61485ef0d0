import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import { deflateMemberSync, memberBytesMax, memberRawBytesMax } from "../../../encode/gzip-member.ts";
import { MemberFactory, type MemberThreads } from "./member-factory.ts";

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

/** Threads of which none makes anything. */
function failingThreads(error: BackupError): MemberThreads {
  return { make: () => Promise.reject(error), async [Symbol.asyncDispose]() {} };
}

test("a factory leaves everything to zlib where there can be no threads, and asks for them once", async () => {
  const none = new BackupError("unsupported", "Cannot compress in threads: no SIMD");
  let asked = 0;
  const starters = [
    (): MemberThreads => {
      asked++;
      throw none;
    },
    (): MemberThreads => {
      asked++;
      return failingThreads(none);
    },
  ];
  for (const start of starters) {
    await using factory = new MemberFactory(undefined, memberRawBytesMax, start);
    assert.deepEqual(await makeAll(factory), byZlib());
    const rounds = asked;
    assert.deepEqual(await makeAll(factory), byZlib());
    assert.equal(asked, rounds, "not again");
  }
});

test("a factory fails where a thread fails that was started: its buffers are gone", async () => {
  const start = (): MemberThreads => failingThreads(new BackupError("bug", "Cannot compress: it broke"));
  await using factory = new MemberFactory(undefined, memberRawBytesMax, start);
  await assert.rejects(makeAll(factory), (error) => isBackupError(error, "bug"));
});
