/**
 * restic sends SIGHUP to the process that a lock names, to see whether it is there
 * (`internal/restic/lock_unix.go`); `restic unlock` does so for every lock. A process
 * that nobody told what to do with it would end.
 *
 * @module
 */

/** Between reading a lock and asking for its process restic may be slow; the lock may be released by then. */
const lingerMs = 60_000;

let endured = 0;

function goOn(): void {
  // Being there is the answer.
}

/** Keeps SIGHUP from ending this process until a while after it is disposed of. Listeners of the program's own still hear it. */
export function endureProbes(): Disposable {
  if (endured++ === 0) process.on("SIGHUP", goOn);
  let isOver = false;
  const end = (): void => {
    if (--endured === 0) process.off("SIGHUP", goOn);
  };
  return {
    [Symbol.dispose]() {
      if (isOver) return;
      isOver = true;
      setTimeout(end, lingerMs).unref();
    },
  };
}
