import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";

const library = import.meta.resolve("../../app/create-backup-manager.ts");

/** Restores in a process of its own, which kills itself `delayMs` after it comes to the phase, or when it is through. */
async function restoreAndKill(app: LiveApp, phase: string, delayMs: number): Promise<void> {
  const program = `
    import { createBackupManager } from ${JSON.stringify(library)};
    const manager = createBackupManager(${JSON.stringify(app.configuration)});
    const observer = { warning() {}, problem() {}, progress({ phase }) {
      if (phase !== ${JSON.stringify(phase)}) return;
      const kill = () => process.kill(process.pid, "SIGKILL");
      if (${delayMs} === 0) kill(); else setTimeout(kill, ${delayMs});
    } };
    await manager.restoreBackup({ backup: "latest", force: true, observer });
    process.kill(process.pid, "SIGKILL");
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
  await once(child, "exit");
}

function generationOf(app: LiveApp): string {
  const file = readFileSync(join(app.uploads, "2024", "0.txt"), "utf8").startsWith("since")
    ? "since"
    : "then";
  const extra = readdirSync(app.uploads).includes("since.txt") ? "since" : "then";
  const database = sumOfBalances(app.database) === totalBalance ? "then" : "since";
  assert.deepEqual([file, extra], [database, database], "database and folder are of one time");
  return database;
}

function makeSince(app: LiveApp): void {
  writeFileSync(join(app.uploads, "2024", "0.txt"), "since");
  writeFileSync(join(app.uploads, "since.txt"), "since");
  const database = new DatabaseSync(app.database);
  database.exec("UPDATE accounts SET balance = 1");
  database.close();
}

test("restoreBackup() killed at any point is taken forward or back by the next command", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  const seen = new Set<string>();
  const kills = [
    ["safety-backup", 0],
    ["stage", 0],
    ["swap", 0],
    ["swap", 1],
    ["swap", 3],
    ["swap", 6],
    ["never", 0],
  ] as const;
  for (const [phase, delayMs] of kills) {
    makeSince(app);
    await restoreAndKill(app, phase, delayMs);
    await manager.recoverInterruptedRestores();
    const generation = generationOf(app);
    seen.add(generation);
    if (phase === "never") assert.equal(generation, "then", "it was through");
    else if (delayMs === 0) assert.equal(generation, "since", phase);
    const names = readdirSync(app.directory, { recursive: true, encoding: "utf8" });
    const building = names.filter((path) => path.includes(".vertex-restore-"));
    assert.deepEqual(building, [], phase);
    assert.deepEqual(await manager.recoverInterruptedRestores(), []);
  }
  assert.deepEqual([...seen].sort(), ["since", "then"]);
});
