/**
 * What every vault must do, as checks with names that read as the specification.
 * Each check gets a place of its own.
 *
 * @module
 */

import { test } from "node:test";
import { type VaultCheck, vaultCreateChecks } from "./vault-create-checks.ts";
import type { VaultPlace } from "./vault-probe.ts";
import { vaultStreamChecks } from "./vault-stream-checks.ts";
import { vaultSharedChecks } from "./vault-shared-checks.ts";

/** Every law, in the order of the interface. */
export const vaultChecks: readonly VaultCheck[] = [
  ...vaultCreateChecks,
  ...vaultStreamChecks,
  ...vaultSharedChecks,
];

/** Registers every check for a format. `open` gives a place with no vault yet, which cleans up when disposed. */
export function testVaultContract(name: string, open: () => Promise<VaultPlace>): void {
  for (const check of vaultChecks) {
    test(`${name} ${check.name}`, async () => {
      await using place = await open();
      await check.run(place);
    });
  }
}
