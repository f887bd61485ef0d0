/**
 * Imported for its effect: keys of repositories cost this process next to nothing, to make and to
 * open, whatever their files ask for. For tests of whole commands, which are not about keys; what is
 * made so opens in such processes only. Real keys are for the tests of keys, of the program's start
 * and of its exchange with restic.
 *
 * @module
 */

import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { cheapCost } from "./test-repository.ts";

const real = crypto.scrypt;

crypto.scrypt = ((password, salt, length, options, done) => {
  real(password, salt, length, { ...options, ...cheapCost }, done);
}) as typeof crypto.scrypt;
syncBuiltinESMExports();
