/**
 * `many-backups.ts VAULT COUNT`: fills a vault with that many small full
 * backups, for rows about long lists.
 *
 * @module
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBackupManager } from "../src/app/create-backup-manager.ts";

const [vault = "", count = "0"] = process.argv.slice(2);
/** As many as keep the disk busy while each waits for its syncs. */
const atOnce = 8;

const folder = `${vault}-source`;
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "a.txt"), "hello");
await using manager = createBackupManager({ vault, sources: [{ name: "app", storage: [folder] }] });
let left = Number(count);
const work = async (): Promise<void> => {
  while (left-- > 0) await manager.createBackup({ type: "storage", rotate: false });
};
await Promise.all(Array.from({ length: atOnce }, work));
rmSync(folder, { recursive: true });
