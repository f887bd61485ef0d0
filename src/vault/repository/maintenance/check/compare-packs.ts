/**
 * Compares what the index says about packs with the files that are there, without
 * reading any. Pure.
 *
 * @module
 */

import type { ObjectId } from "../../../../format/restic/model.ts";
import type { LoadedIndex } from "../../load-index.ts";
import { packName } from "../../objects.ts";
import type { DamageList } from "../damage-list.ts";
import { packBytes } from "../pack-bytes.ts";
import { listedTwice } from "../prune/rewrite-index.ts";
import type { BlobJudge } from "./blob-judge.ts";
import type { SizedPack } from "./choose-packs.ts";

/** Packs a note names; the others it counts. */
const namedMax = 3;

export interface PackFindings {
  readonly judge: BlobJudge;
  readonly damages: DamageList;
  readonly notes: string[];
}

/** Returns the packs that an index lists and that are there, whose bytes therefore can be checked. */
export function comparePacks(
  loaded: LoadedIndex,
  stored: ReadonlyMap<ObjectId, number>,
  { judge, damages, notes }: PackFindings,
): readonly SizedPack[] {
  const readable: SizedPack[] = [];
  const mixed: ObjectId[] = [];
  for (const { id, blobs } of loaded.index.packs()) {
    const sizeBytes = stored.get(id);
    const wanted = packBytes(blobs);
    if (sizeBytes === undefined) {
      judge.packHasBytes(id, 0);
      damages.add(packName(id), "the index lists this pack, and it is missing");
      continue;
    }
    if (sizeBytes !== wanted) {
      judge.packHasBytes(id, sizeBytes);
      damages.add(packName(id), `it has ${sizeBytes} bytes, by the index it should have ${wanted}`);
    }
    if (blobs.some(({ type }) => type !== blobs[0]?.type)) mixed.push(id);
    readable.push({ id, sizeBytes });
  }
  const unlisted = [...stored.keys()].filter((id) => !loaded.index.hasPack(id));
  addNote(
    notes,
    unlisted,
    "in no index: of a backup that is running, or left by one that was interrupted; prune removes them, repair index lists them",
  );
  addNote(notes, mixed, "mixed from data and trees, as old versions of restic wrote them; prune sorts them");
  addNote(notes, [...listedTwice(loaded)], "listed by several files of the index; prune joins those");
  return readable;
}

function addNote(notes: string[], packs: readonly ObjectId[], what: string): void {
  if (packs.length === 0) return;
  const names = packs.slice(0, namedMax).join(", ");
  const more = packs.length > namedMax ? " and more" : "";
  notes.push(`${packs.length} ${packs.length === 1 ? "pack is" : "packs are"} ${what} (${names}${more})`);
}
