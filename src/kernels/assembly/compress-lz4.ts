import { findMatch, foundDistance, foundLength, foundStart, startSearching } from './find-match';

/** The shortest match that the format knows. */
const SHORTEST: i32 = 4;
/** It wants no match to start within so many bytes of the end. */
const LAST_START: i32 = 12;
/** The longest match whose length is in the token alone. */
const IN_TOKEN: i32 = 18;
/** Where so many bytes, as a power of two, had no match, not every place is looked at any more. */
const PATIENCE: u32 = 7;

// What is being written: where, the end of its room, and how far the source is in it.
let out: usize = 0;
let outEnd: usize = 0;
let anchor: i32 = 0;
let source: usize = 0;

/**
 * Compresses `length` bytes as one LZ4 block (lz4_Block_format.md), parsed as LZ4HC does it (lz4hc.c, LZ4HC_compress_hashChain): of up to
 * three matches that overlap each is cut where the next does better. Returns the number of bytes, 0 where they would be more than
 * `capacity`.
 * @param scratch what the search takes: COMPRESS_SCRATCH_BYTES in `compression.ts`
 */
export function compressLz4(from: usize, length: i32, target: usize, capacity: i32, scratch: usize): i32 {
  source = from;
  out = target;
  outEnd = target + capacity;
  anchor = 0;
  startSearching(from, length, scratch);
  const lastStart = length - LAST_START;
  let place: i32 = 0;
  while (place <= lastStart) {
    findMatch(place, place, SHORTEST - 1);
    if (foundLength < SHORTEST) {
      place += 1 + ((place - anchor) >> PATIENCE);
      continue;
    }
    place = writeMatches(foundStart, foundLength, foundDistance, lastStart);
    if (place < 0) return 0;
  }
  const literals = length - anchor;
  if (out + 2 + literals + literals / 255 > outEnd) return 0;
  writeLiterals(literals, 0);
  return <i32>(out - target);
}

/** Writes a match and those that follow upon it, until one stands alone. Returns the place after the last; -1 where there is no room. */
function writeMatches(start1: i32, length1: i32, distance1: i32, lastStart: i32): i32 {
  let start0 = start1;
  let length0 = length1;
  let distance0 = distance1;
  while (true) {
    // A second match that is longer, around the end of the first.
    if (start1 + length1 > lastStart) return write(start1, length1, distance1);
    findMatch(start1 + length1 - 2, start1, length1);
    if (foundLength <= length1) return write(start1, length1, distance1);
    let start2 = foundStart;
    let length2 = foundLength;
    let distance2 = foundDistance;
    if (start0 < start1 && start2 < start1 + length0) {
      start1 = start0;
      length1 = length0;
      distance1 = distance0;
    }
    if (start2 - start1 < 3) {
      start1 = start2;
      length1 = length2;
      distance1 = distance2;
      start0 = start1;
      length0 = length1;
      distance0 = distance1;
      continue;
    }
    while (true) {
      if (start2 - start1 < IN_TOKEN) {
        const correction = min(min(length1, IN_TOKEN), start2 - start1 + length2 - SHORTEST) - (start2 - start1);
        if (correction > 0) {
          start2 += correction;
          length2 -= correction;
        }
      }
      let length3 = length2;
      if (start2 + length2 <= lastStart) {
        findMatch(start2 + length2 - 3, start2, length2);
        if (foundLength > length2) length3 = foundLength;
      }
      if (length3 == length2) {
        if (write(start1, min(length1, start2 - start1), distance1) < 0) return -1;
        return write(start2, length2, distance2);
      }
      const start3 = foundStart;
      const distance3 = foundDistance;
      if (start3 < start1 + length1 + 3) {
        // No room for the second between the first and the third.
        if (start3 >= start1 + length1) {
          if (start2 < start1 + length1) {
            const correction = start1 + length1 - start2;
            start2 += correction;
            length2 -= correction;
            if (length2 < SHORTEST) {
              start2 = start3;
              length2 = length3;
              distance2 = distance3;
            }
          }
          if (write(start1, length1, distance1) < 0) return -1;
          start1 = start3;
          length1 = length3;
          distance1 = distance3;
          start0 = start2;
          length0 = length2;
          distance0 = distance2;
          break;
        }
        start2 = start3;
        length2 = length3;
        distance2 = distance3;
        continue;
      }
      // Three in a row: the first is decided.
      if (start2 < start1 + length1) {
        if (start2 - start1 < IN_TOKEN) {
          length1 = min(min(length1, IN_TOKEN), start2 - start1 + length2 - SHORTEST);
          const correction = length1 - (start2 - start1);
          if (correction > 0) {
            start2 += correction;
            length2 -= correction;
          }
        } else length1 = start2 - start1;
      }
      if (write(start1, length1, distance1) < 0) return -1;
      start1 = start2;
      length1 = length2;
      distance1 = distance2;
      start2 = start3;
      length2 = length3;
      distance2 = distance3;
    }
  }
}

/** A match with the literals before it. Returns the place after it; -1 where there is no room. */
function write(start: i32, length: i32, distance: i32): i32 {
  const literals = start - anchor;
  if (out + 8 + literals + literals / 255 + length / 255 > outEnd) return -1;
  writeLiterals(literals, length - SHORTEST);
  store<u16>(out, <u16>distance);
  out += 2;
  if (length - SHORTEST >= 15) writeLength(length - SHORTEST - 15);
  anchor = start + length;
  return anchor;
}

/** The token with both lengths as far as it holds them, then the literals. */
function writeLiterals(count: i32, match: i32): void {
  store<u8>(out++, <u8>((min(count, 15) << 4) | min(match, 15)));
  if (count >= 15) writeLength(count - 15);
  memory.copy(out, source + anchor, <usize>count);
  out += count;
}

function writeLength(rest: i32): void {
  for (; rest >= 255; rest -= 255) store<u8>(out++, 255);
  store<u8>(out++, <u8>rest);
}
