import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startGallery } from "../../examples/embed-in-app.ts";
import { createLiveApp } from "../testing/live-app.ts";

const run = promisify(execFile);
const library = fileURLToPath(new URL("../library.ts", import.meta.url));
const cheapScrypt = import.meta.resolve("../testing/cheap-scrypt.ts");

test("examples/embed-in-app.ts backs itself up while pictures are uploaded", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vertex-backup-gallery-"));
  try {
    await using gallery = await startGallery(directory);
    const upload = (name: string): Promise<Response> =>
      fetch(`${gallery.url}/pictures?name=${name}`, { method: "POST", body: name.repeat(1000) });
    await upload("first.jpg");
    const backups = fetch(`${gallery.url}/backups`, { method: "POST" });
    await Promise.all([backups, ...Array.from({ length: 5 }, (_, n) => upload(`${n}.jpg`))]);
    const made = (await (await backups).json()) as { state: string; problems: unknown[] };
    assert.deepEqual([made.state, made.problems], ["good", []]);
    assert.equal(((await (await fetch(`${gallery.url}/backups`)).json()) as unknown[]).length, 1);
    assert.equal((await gallery.manager.verifyBackup()).ok, true);
    assert.equal((await fetch(`${gallery.url}/nothing`)).status, 404);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("examples/ holds no example that is not run here", () => {
  const examples = readdirSync(new URL("../../examples", import.meta.url));
  assert.deepEqual(examples, ["embed-in-app.ts"]);
});

/** The code of every `@example` in a source file, in order. */
function examplesOf(file: string): string[] {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return Array.from(text.matchAll(/ @example\n\s*\* ```ts\n(.*?)\n\s*\* ```/gs), ([, code = ""]) =>
    code.replace(/^\s*\* ?/gm, ""),
  );
}

test("every @example of the library runs as it stands", async () => {
  const [whole = "", ...methods] = examplesOf("../operations/backup-manager.ts");
  const others = [...examplesOf("../library.ts"), ...examplesOf("./create-backup-manager.ts")];
  assert.ok(methods.length >= 18 && others.length === 2, `${methods.length} and ${others.length} examples`);
  await using app = createLiveApp();
  const imports = `import { createBackupManager } from ${JSON.stringify(library)};\n`;
  methods.push(...examplesOf("../operations/browse/browser.ts"));
  const blocks = methods.map((code) => `{\n${code}\n}\n`);
  const [made = "", ...looked] = examplesOf("../operations/vault-maintenance.ts");
  assert.ok(looked.length >= 7, `${looked.length} examples of maintenance`);
  const place = `{ vault: "./repository", password: "geheim" }`;
  const maintenance = `await using manager = createBackupManager(${place});\n${made}\n`;
  const programs = [
    `${whole}\n${blocks.join("")}`,
    ...others,
    maintenance + looked.map((code) => `{\n${code}\n}\n`).join(""),
  ];
  for (const [index, program] of programs.entries()) {
    const file = join(app.directory, `example-${index}.ts`);
    writeFileSync(file, imports + program.replace(/^import .* from "vertex-backup";$/m, ""));
    const environment = { ...process.env, VERTEX_BACKUP_STATE: join(app.directory, "state") };
    const { stderr } = await run(process.execPath, ["--import", cheapScrypt, file], {
      cwd: app.directory,
      env: environment,
    });
    assert.equal(stderr, "");
  }
});
