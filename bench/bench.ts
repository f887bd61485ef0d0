/**
 * `npm run bench`: every speed target of the project, against named tools in the
 * same run. Prints a table with medians and spread and names the rows we lose.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { databaseRows } from "./rows/databases.ts";
import { everydayRows } from "./rows/everyday.ts";
import { repositoryAgainRows } from "./rows/repository-again.ts";
import { repositoryRows } from "./rows/repository-first.ts";
import { repositoryMemoryRows } from "./rows/repository-memory.ts";
import { type BenchContext, type Row, stateDirectory } from "./rows/row.ts";
import { storageRows } from "./rows/storage-backup.ts";
import { unchangedRows } from "./rows/unchanged.ts";

const groups = {
  storage: storageRows,
  unchanged: unchangedRows,
  databases: databaseRows,
  everyday: everydayRows,
  repository: repositoryRows,
  "repository-again": repositoryAgainRows,
  "repository-memory": repositoryMemoryRows,
};
type Group = keyof typeof groups;

/** Debian's packages, where they are not named like the tool. */
const packages: Readonly<Record<string, string>> = { borg: "borgbackup", sync: "coreutils" };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, scratch: { type: "string", default: tmpdir() } },
});

const chosen = (positionals.length > 0 ? positionals : Object.keys(groups)) as Group[];
requireTools(["tar", "gzip", "pigz", "sqlite3", "sync"]);
if (chosen.some((name) => name.startsWith("repository"))) requireTools(["restic", "borg"]);
const scratch = mkdtempSync(join(values.scratch, "vertex-backup-bench-"));
process.env["VERTEX_BACKUP_STATE"] = stateDirectory({ scratch });
process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(4, cpus().length + 2));
const context: BenchContext = {
  program: [process.execPath, join(import.meta.dirname, "../dist/main.js")],
  scratch,
  rounds: Number(values.rounds),
};
try {
  const rows: Row[] = [];
  for (const name of chosen) {
    console.error(`measuring ${name} ...`);
    const found = await groups[name](context);
    rows.push(...found);
    // Told at once, because a later group may fail.
    for (const row of found) console.error(`  ${row.what}: ${row.result}`);
  }
  printTable(rows);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function requireTools(names: readonly string[]): void {
  for (const name of names)
    execFileSync(
      "sh",
      [
        "-c",
        `command -v ${name} > /dev/null || { echo "bench needs ${name}: apt-get install ${packages[name] ?? name}" >&2; exit 1; }`,
      ],
      { stdio: "inherit" },
    );
}

function printTable(rows: readonly Row[]): void {
  const memory = Math.round(totalmem() / 2 ** 30);
  console.log(
    `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${memory} GiB, Node ${process.version}, ${context.rounds} rounds`,
  );
  console.log("| what | at least | ours | theirs | result | |\n|---|---|---|---|---|---|");
  for (const row of rows) {
    console.log(
      `| ${row.what} | ${row.target} | ${row.ours} | ${row.theirs} | ${row.result} | ${row.met ? "met" : "LOST"} |`,
    );
  }
  const lost = rows.filter((row) => !row.met);
  console.log(lost.length === 0 ? "No row lost." : `Lost: ${lost.map((row) => row.what).join("; ")}`);
}
