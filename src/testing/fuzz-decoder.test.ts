import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupError } from "../domain/error.ts";
import { fuzzDecoder } from "./fuzz-decoder.ts";

const genuine = [Buffer.from('{"a":[1,2,3],"b":"text"}')];

test("a decoder that fails with an error of its own is found out", () => {
  assert.throws(() => fuzzDecoder((bytes) => JSON.parse(Buffer.from(bytes).toString()), genuine));
});

test("a decoder that only ever calls its input damaged passes, and its refusals are counted", () => {
  const refuseAll = (): never => {
    throw new BackupError("damaged", "Cannot read a document: none is good enough");
  };
  assert.equal(fuzzDecoder(refuseAll, genuine), 1300);
  assert.equal(
    fuzzDecoder(() => undefined, genuine),
    0,
  );
});
