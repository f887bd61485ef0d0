import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringFromText } from "../domain/byte-string.ts";
import { closeSource, openSource, readSource, SourceFileError } from "./source-file.ts";

const isReplaced = (error: unknown): boolean =>
  error instanceof SourceFileError && error.problem === "vanished";

test("openSource() reads no file of another folder through a link that took a folder's place since the walk", async () => {
  const directory = mkdtempSync(join(tmpdir(), "source-file-"));
  try {
    for (const folder of ["walked", "secret"]) {
      mkdirSync(join(directory, folder));
      writeFileSync(join(directory, folder, "naïve name"), folder);
    }
    const content = {
      from: "path",
      path: byteStringFromText(join(directory, "walked", "naïve name")),
    } as const;
    const source = await openSource(content);
    const bytes = Buffer.alloc(6);
    await readSource(source.descriptor, bytes, { at: 0, length: 6, position: 0 });
    assert.equal(bytes.toString(), "walked");
    closeSource(source.descriptor);
    renameSync(join(directory, "walked"), join(directory, "aside"));
    symlinkSync("secret", join(directory, "walked"));
    if (process.platform === "linux") await assert.rejects(openSource(content), isReplaced);
    unlinkSync(join(directory, "walked"));
    await assert.rejects(openSource(content), isReplaced);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
