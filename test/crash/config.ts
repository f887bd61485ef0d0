/**
 * The configuration the crash run's processes share.
 *
 * @module
 */

import { join } from "node:path";
import type { ManagerConfiguration } from "../../src/app/configuration.ts";

export function crashConfig(sandbox: string): ManagerConfiguration {
  return {
    vault: join(sandbox, "backups"),
    state: join(sandbox, "state"),
    sources: [
      {
        name: "app",
        databases: [join(sandbox, "app", "app.db")],
        storage: [join(sandbox, "app", "uploads")],
      },
    ],
  };
}
