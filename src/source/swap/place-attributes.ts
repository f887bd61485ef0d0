/**
 * Mode, owner and time of folders that stay where they are while what is in them is
 * swapped. Such a folder may belong to another user, who lets this one write to it:
 * then it keeps what it has, and no swap fails because of that.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { modeRefusals } from "./lent-folders.ts";
import type { RestoreJournal } from "./restore-journal.ts";
import type { SwapDisk } from "./swap-disk.ts";

/** Gives them what they are to have after the swap, or had before it. Returns those of which that is refused. */
export async function giveAttributes(
  { areas }: RestoreJournal,
  which: "after" | "before",
  disk: SwapDisk,
): Promise<readonly ByteString[]> {
  const refused: ByteString[] = [];
  for (const { place, attributes } of areas) {
    if (attributes === undefined) continue;
    try {
      await disk.setAttributes(place, attributes[which]);
    } catch (error) {
      if (!modeRefusals.has((error as NodeJS.ErrnoException).code)) throw error;
      refused.push(place);
    }
  }
  return refused;
}
