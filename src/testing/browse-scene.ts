/**
 * An app whose folder holds everything that browsing and copying have to get
 * right: links of both kinds, names from strangers, large, small and empty files.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ManagerConfiguration } from "../app/configuration.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import type { BackupManager } from "../operations/backup-manager.ts";
import { createLiveApp, type LiveApp } from "./live-app.ts";

export interface BrowseScene extends AsyncDisposable {
  readonly app: LiveApp;
  readonly manager: BackupManager;
  /** A manager of another vault beside it, with the same state folder. */
  otherManager(name: string): BackupManager;
  /** Writes a file below the uploads, its folders too. */
  write(path: string, content: string | Uint8Array): void;
}

/** A name that is not UTF-8, below the uploads. */
const notUtf8: Buffer = Buffer.from([0x62, 0x61, 0x64, 0xff, 0x2e, 0x62, 0x69, 0x6e]);

/** Makes it; nothing is backed up yet. @param changes What the configuration is to have besides or instead */
export function createBrowseScene(changes: Partial<ManagerConfiguration> = {}): BrowseScene {
  const app = createLiveApp(changes);
  const { uploads } = app;
  const managers: BackupManager[] = [];
  const open = (vault: string): BackupManager => {
    const manager = createBackupManager({ ...app.configuration, vault });
    managers.push(manager);
    return manager;
  };
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(join(uploads, path, ".."), { recursive: true });
    writeFileSync(join(uploads, path), content);
  };
  write("clip.mp4", randomBytes(3_300_007));
  write("deep/er/still/photo.jpg", randomBytes(70_001));
  write("zero", "");
  write("evil\x1b[31m\nname.txt", "red");
  writeFileSync(Buffer.concat([Buffer.from(`${uploads}/`), notUtf8]), "not text");
  linkSync(join(uploads, "2024/0.txt"), join(uploads, "same.txt"));
  symlinkSync("2024/0.txt", join(uploads, "latest"));
  chmodSync(join(uploads, "zero"), 0o600);
  utimesSync(join(uploads, "zero"), 1_600_000_000, 1_600_000_000.5);
  return {
    app,
    manager: open(app.vault),
    otherManager: (name) => open(join(app.directory, name)),
    write,
    async [Symbol.asyncDispose]() {
      for (const manager of managers) await manager[Symbol.asyncDispose]();
      await app[Symbol.asyncDispose]();
    },
  };
}
