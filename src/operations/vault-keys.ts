/**
 * The passwords of a repository: each opens a key of its own, and all keys open the
 * same backups.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import { checkValue, text } from "../domain/option-rule.ts";
import type { KeyOwner, VaultKey } from "../vault/maintenance.ts";
import type { OperationContext } from "./context.ts";
import type { RunOptions, Started } from "./requests.ts";
import { requireMaintenance } from "./require-maintenance.ts";
import type { NewPasswordRequest, RemoveKeyRequest } from "./vault-requests.ts";

/** Oldest first. */
export async function listKeys(
  context: OperationContext,
  { signal }: Started<RunOptions>,
): Promise<readonly VaultKey[]> {
  const keys = await requireMaintenance(context, "keys").keys.list(signal);
  return keys.toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
}

/** Returns the key that the new password opens. */
export async function addKey(
  context: OperationContext,
  request: Started<NewPasswordRequest>,
): Promise<VaultKey> {
  const { keys } = requireMaintenance(context, "keys");
  const id = await keys.add(checkPassword(request.password), ownerOf(context, request), request.signal);
  return await keyOf(context, id, request);
}

/** Returns the key that took the place of the current one. */
export async function changePassword(
  context: OperationContext,
  request: Started<NewPasswordRequest>,
): Promise<VaultKey> {
  const { keys } = requireMaintenance(context, "keys");
  const id = await keys.changePassword(
    checkPassword(request.password),
    ownerOf(context, request),
    request.signal,
  );
  return await keyOf(context, id, request);
}

/**
 * Returns the key that is gone.
 *
 * @throws {BackupError} `not-found`; `invalid-input` if several ids begin like that; `unsafe` for the key in use
 */
export async function removeKey(
  context: OperationContext,
  request: Started<RemoveKeyRequest>,
): Promise<VaultKey> {
  checkValue(request.key, "the key to remove", text);
  const { keys } = requireMaintenance(context, "keys");
  const key = await keyOf(context, request.key, request);
  const { lockWaitMs } = context;
  await keys.remove(key.id, { lockWaitMs, observer: request.observer }, request.signal);
  return key;
}

async function keyOf(context: OperationContext, id: string, request: Started<RunOptions>): Promise<VaultKey> {
  const keys = await listKeys(context, request);
  const matching = id === "" ? [] : keys.filter((key) => key.id.startsWith(id));
  const [key] = matching;
  if (key !== undefined && matching.length === 1) return key;
  if (key === undefined) {
    throw new BackupError("not-found", `Cannot find key ${id}: no key of the repository begins like that`, {
      hint: "key list shows them.",
    });
  }
  throw new BackupError(
    "invalid-input",
    `Cannot tell which key ${id} is: ${matching.length} begin like that`,
    {
      hint: "Write more of the id.",
    },
  );
}

function ownerOf(
  { lockWaitMs }: OperationContext,
  { username, host, observer }: Started<NewPasswordRequest>,
): KeyOwner {
  return { username, host, observer, lockWaitMs };
}

function checkPassword(password: string): string {
  checkValue(password, "the new password", { ...text, secret: true });
  if (password !== "") return password;
  throw new BackupError("invalid-input", "Cannot use the new password: it is empty", {
    hint: "Whoever has the files of a repository needs only the password to read them.",
  });
}
