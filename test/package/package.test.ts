import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

const root = resolve(import.meta.dirname, "../..");
const work = mkdtempSync(join(tmpdir(), "vertex-backup-package-"));
const project = join(work, "project");
const nodeDirectory = join(process.execPath, "..");
const env = {
  ...process.env,
  PATH: `${nodeDirectory}:${process.env["PATH"]}`,
  VERTEX_BACKUP_STATE: join(work, "state"),
};

function run(file: string, args: readonly string[], cwd: string): string {
  return execFileSync(file, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

let installed: ReturnType<typeof spawnSync>;

before(() => {
  mkdirSync(project);
  run("npm", ["pack", "--pack-destination", work, "--loglevel=error"], root);
  const tarball = readdirSync(work).find((name) => name.endsWith(".tgz")) ?? "";
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module" }),
  );
  const install = ["install", "--no-audit", "--no-fund", join(work, tarball)];
  // With warnings: they are the first that anybody sees of the package.
  installed = spawnSync("npm", install, { cwd: project, env, encoding: "utf8" });
  mkdirSync(join(project, "uploads"));
  writeFileSync(join(project, "uploads", "a.txt"), "hello");
});

after(() => rmSync(work, { recursive: true, force: true }));

test("the packed tarball installs without a warning about it, and has no script that npm would run there", () => {
  assert.equal(installed.status, 0, String(installed.stderr));
  const lines = String(installed.stderr).split("\n");
  assert.deepEqual(
    lines.filter((line) => /install-scripts|vertex-backup|deprecated|EBADENGINE/.test(line)),
    [],
  );
  const published = JSON.parse(
    readFileSync(join(project, "node_modules/vertex-backup/package.json"), "utf8"),
  ) as { scripts: Record<string, string> };
  // Older versions of npm run these without a word.
  const atInstall = ["preinstall", "install", "postinstall", "prepare"];
  assert.deepEqual(
    atInstall.filter((name) => name in published.scripts),
    [],
  );
});

test("the packed tarball holds no tests and no sources", () => {
  const files = readdirSync(join(project, "node_modules/vertex-backup"), { recursive: true }) as string[];
  assert.ok(files.includes("dist/main.js"));
  assert.deepEqual(
    files.filter((name) => /\.test\.|\/testing\/|^src\//.test(name)),
    [],
  );
});

test("the packed tarball's command line makes and verifies a backup", () => {
  const program = join(project, "node_modules/.bin/vertex-backup");
  run(program, ["create", "--vault", "vault", "--storage", "uploads", "--type", "storage"], project);
  const verified = JSON.parse(run(program, ["verify", "--vault", "vault", "--json"], project)) as {
    ok: boolean;
  };
  assert.equal(verified.ok, true);
});

test("the packed tarball's library makes a backup from an ES module", () => {
  const program = `
    import { createBackupManager } from "vertex-backup";
    await using manager = createBackupManager({ vault: "./by-library", sources: [{ name: "app", storage: ["./uploads"] }] });
    const { backup } = await manager.createBackup();
    console.log(backup.counts.files);`;
  writeFileSync(join(project, "use.js"), program);
  assert.equal(run(process.execPath, ["use.js"], project).trim(), "1");
});

test("the published command says clearly that an older Node is too old", () => {
  const main = readFileSync(join(project, "node_modules/vertex-backup/dist/main.js"), "utf8");
  const older = main.replaceAll("process.versions.node", '"20.1.0"');
  assert.notEqual(older, main, "main.js looks at process.versions.node");
  writeFileSync(join(project, "node_modules/vertex-backup/dist/older.js"), older);
  assert.throws(
    () => run(process.execPath, ["node_modules/vertex-backup/dist/older.js", "list"], project),
    (error: { stderr: string }) => /Cannot run on Node\.js 20\.1\.0: wanted 24\.12/.test(error.stderr),
  );
});
