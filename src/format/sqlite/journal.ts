/**
 * The rollback journal: section 3 of https://www.sqlite.org/fileformat2.html.
 * Only what is needed to know a journal when one is seen, and to refuse one
 * that names other files.
 *
 * @module
 */

const magic: readonly number[] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/** Length of the fields at the start of a journal; what persistent journals overwrite with zeros. */
export const journalHeaderBytes: number = 28;
/** How many bytes of the journal's end {@link namesSuperJournal} wants. */
export const journalTailBytes: number = 8;

/** Tells whether a file starts like a rollback journal that could be played back. */
export function hasJournalMagic(firstBytes: Uint8Array): boolean {
  return firstBytes.length >= magic.length && magic.every((byte, i) => firstBytes[i] === byte);
}

/** Tells whether this is how `journal_mode=PERSIST` leaves a journal after a commit: its header all zeros. */
export function isZeroedJournal(firstBytes: Uint8Array): boolean {
  if (firstBytes.length < journalHeaderBytes) return false;
  return firstBytes.subarray(0, journalHeaderBytes).every((byte) => byte === 0);
}

/**
 * Tells whether a journal ends as one that names a super-journal: the magic
 * closes such a record. Playing it back makes SQLite look at, and delete, the
 * files it names, so it is never played back. Lengths and checksum of the
 * record are not looked at: SQLite is stricter, so nothing gets past this.
 */
export function namesSuperJournal(lastBytes: Uint8Array): boolean {
  return hasJournalMagic(lastBytes.subarray(-journalTailBytes));
}
