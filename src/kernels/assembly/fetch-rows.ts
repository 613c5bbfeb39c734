const LINE: usize = 64;
/** So many bytes are fetched at once: about as many lines as a processor waits for at a time, and they stay in its first-level cache. */
const AT_ONCE: usize = 8192;
/** Rows up to this length. Of longer ones, a processor sees by itself what comes next. */
const LONGEST: usize = 1024;
/** Rows with at least so many bytes between them, or so many times their length, whichever is less. What lies closer it sees coming, too. */
const FAR: isize = 512;
const TIMES: isize = 4;

/** What was loaded: nobody reads it, but what is written nowhere need not be loaded. It belongs to the instance, not to the memory. */
let seen: i32 = 0;

/**
 * Loads a byte of each cache line of the rows that are read next, as `fetchTile` does: of short rows that lie apart, a copy by itself would
 * wait for one after the other. Returns of how many of the `rows`, 1 at least; it is called again for those that follow.
 */
export function fetchRows(from: usize, row: isize, rows: i32, bytes: usize): i32 {
  // Without a byte there is none to load.
  if (bytes == 0 || bytes > LONGEST || abs(row) - <isize>bytes < min(FAR, TIMES * <isize>bytes)) return rows;
  const count = min(rows, <i32>(AT_ONCE / (bytes + LINE)));
  let all: i32 = 0;
  for (let i = 0; i < count; i++, from += row) {
    for (let at: usize = 0; at < bytes; at += LINE) all |= <i32>load<u8>(from + at);
    // A row need not begin where a line does: its end may be in one line more.
    all |= <i32>load<u8>(from + bytes - 1);
  }
  seen = all;
  return count;
}
