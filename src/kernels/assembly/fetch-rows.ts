/** Bytes of a cache line. */
export const LINE: usize = 64;
/** So many bytes are fetched at once: about as many lines as a processor waits for at a time, and they stay in its first-level cache. */
const AT_ONCE: usize = 8192;
/** Rows up to this length. Of longer ones, a processor sees by itself what comes next. */
const LONGEST: usize = 1024;
/** Rows with at least so many bytes between them, or so many times their length, whichever is less. What lies closer it sees coming, too. */
const FAR: isize = 512;
const TIMES: isize = 4;
/**
 * Rows from this length on, where each is read from its other end or the last of them first, and not both: it sees coming what goes one way.
 * As measured: those of half that length gain nothing.
 */
const SHORTEST: usize = 512;

/** What was loaded: nobody reads it, but what is written nowhere need not be loaded. It belongs to the instance, not to the memory. */
let seen: i32 = 0;

/**
 * Loads a byte of each cache line of the rows that are read next, as `fetchTile` does, where a copy by itself would wait for one row after
 * the other: where they are short and lie apart, or are read against their order. `mirrored` are read from their other end. Returns of how
 * many of the `rows`, 1 at least; it is called again for those that follow.
 */
export function fetchRows(from: usize, row: isize, rows: i32, bytes: usize, mirrored: bool): i32 {
  // Without a byte there is none to load.
  if (bytes == 0) return rows;
  const against = bytes >= SHORTEST && bytes <= AT_ONCE && mirrored != row < 0;
  if (!against && (bytes > LONGEST || abs(row) - <isize>bytes < min(FAR, TIMES * <isize>bytes))) return rows;
  const count = min(rows, 1 + <i32>(AT_ONCE / (bytes + LINE)));
  // In the order of the memory, in which it sees coming what this does not ask for yet.
  if (row < 0) {
    from += <usize>((count - 1) * <i32>row);
    row = -row;
  }
  fetchArea(from, <usize>row, count, bytes);
  return count;
}

/**
 * The rows of a slice's tile that is written next, where they lie far apart. One that is not in the cache has to come from memory before it is
 * written, and a processor asks for few at a time. Of a volume's tiles, as measured, it takes as long as it saves.
 */
export function fetchPlane(to: usize, row: usize, rows: i32, bytes: usize): void {
  for (let j = 0; j < rows; ) j += fetchRows(to + <usize>j * row, <isize>row, rows - j, bytes, false);
}

/** A byte of each cache line of all rows of an area, one after the other. */
export function fetchArea(from: usize, row: usize, rows: i32, bytes: usize): void {
  let all: i32 = 0;
  for (let j = 0; j < rows; j++, from += row) {
    for (let at: usize = 0; at < bytes; at += LINE) all |= <i32>load<u8>(from + at);
    // A row need not begin where a line does: its end may be in one line more.
    all |= <i32>load<u8>(from + bytes - 1);
  }
  seen = all;
}
