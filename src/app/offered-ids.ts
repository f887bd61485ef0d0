/**
 * The ids that a shell offers while somebody types: of the configured vault, if it can
 * be listed without a password and at once. Reads only; finishes no interrupted restore.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";
import type { ManagerConfiguration } from "./configuration.ts";
import { LocalContexts } from "./local-contexts.ts";
import type { Environment } from "./state-directory.ts";

/** Nobody waits longer for a completion. */
const listMsMax = 2_000;

/** The newest; a shell asks before it shows more. */
const idsMax = 100;

/** What no shell takes for anything but a word. */
const plainWord = /^[\w.+-]+$/;

/** Newest first; none where anything keeps them from being listed. */
export async function offeredIds(
  configuration: ManagerConfiguration,
  options: { readonly clock: Clock; readonly environment: Environment },
  signal: AbortSignal,
): Promise<readonly string[]> {
  // A password command may ask somebody, and opening a key takes longer than people wait.
  const { password: _, ...open } = configuration;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(listMsMax)]);
  const contexts = new LocalContexts({
    ...{ configuration: open, sources: [], askPassword: undefined },
    ...options,
  });
  try {
    const { vault } = await contexts.open("vault", bounded, () => undefined);
    const ids = (await vault.list(bounded)).slice(0, idsMax).map(({ id }) => id);
    return ids.filter((id) => plainWord.test(id));
  } catch {
    signal.throwIfAborted();
    return [];
  } finally {
    await contexts[Symbol.asyncDispose]();
  }
}
