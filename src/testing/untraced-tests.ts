/**
 * Preloaded by `npm run unit`: Node's test runner does not follow every promise to the test it belongs to,
 * which costs up to a quarter of a test's time. An error nobody waits for fails its file as before, without
 * the name of the test: `node FILE` tells that.
 *
 * @module
 */

import hooks from "node:async_hooks";
import { syncBuiltinESMExports } from "node:module";

const real = hooks.createHook;

if (process.env["NODE_TEST_CONTEXT"] !== undefined) {
  // The runner makes the first hook of the process, and no other.
  hooks.createHook = (() => {
    hooks.createHook = real;
    syncBuiltinESMExports();
    return real({});
  }) as typeof real;
  syncBuiltinESMExports();
}
