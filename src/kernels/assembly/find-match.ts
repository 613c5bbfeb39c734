/** Bits of a hash of four bytes, and what that many heads take. */
const HASH_BITS: u32 = 16;
const HEADS_BYTES: usize = 4 << HASH_BITS;
/** How far back a match may lie. */
const WINDOW: i32 = 65535;
/** Candidates that are compared for a place: as many as LZ4HC's level 5 does. */
const ATTEMPTS: i32 = 16;
const SHORTEST: i32 = 4;
/** The last bytes are literals. */
const LAST_LITERALS: i32 = 5;

// The best match of the latest search: where it starts, and how far back its like lies.
export let foundStart: i32 = 0;
export let foundLength: i32 = 0;
export let foundDistance: i32 = 0;

let source: usize = 0;
/** Where matches end at the latest. */
let limit: usize = 0;
/** int32 by hash: the latest place with it and one; 0 for none. */
let heads: usize = 0;
/** uint16 by place modulo 2^16: how far back the place before it lies that has the same hash; 0 for none. */
let chains: usize = 0;
/** The first place that is not in the chains yet. */
let entered: i32 = 0;

export function startSearching(from: usize, length: i32, scratch: usize): void {
  source = from;
  limit = from + length - LAST_LITERALS;
  heads = scratch;
  chains = scratch + HEADS_BYTES;
  entered = 0;
  memory.fill(heads, 0, HEADS_BYTES);
}

/**
 * Looks for the longest match that holds the four bytes at `place`, starts at `earliest` or later, and is longer than `longest`. Where
 * there is none, `foundLength` is `longest`. Places must not be earlier than those of before, but for the few last bytes of a match.
 */
export function findMatch(place: i32, earliest: i32, longest: i32): void {
  enter(place);
  foundLength = longest;
  const here = source + place;
  const first = load<u32>(here);
  const back = place - earliest;
  let candidate = load<i32>(heads + (hash(here) << 2)) - 1;
  for (let attempt = 0; attempt < ATTEMPTS && candidate >= 0 && place - candidate <= WINDOW; attempt++) {
    const there = source + candidate;
    // Two bytes that a longer match has to have in common: most candidates end here.
    const last = foundLength - back - 1;
    if (candidate + last >= 0 && load<u16>(there + last) == load<u16>(here + last) && load<u32>(there) == first) {
      const before = equalBefore(there, here, min(back, candidate));
      const length = before + SHORTEST + equalAfter(there + SHORTEST, here + SHORTEST);
      if (length > foundLength) {
        foundLength = length;
        foundStart = place - before;
        foundDistance = place - candidate;
      }
    }
    const step = <i32>load<u16>(chains + ((<usize>candidate & 0xffff) << 1));
    if (step == 0) return;
    candidate -= step;
  }
}

/** Puts all places before this one into the chains. */
function enter(place: i32): void {
  for (; entered < place; entered++) {
    const head = heads + (hash(source + entered) << 2);
    const distance = entered + 1 - load<i32>(head);
    store<u16>(chains + ((<usize>entered & 0xffff) << 1), distance > WINDOW || distance > entered ? 0 : <u16>distance);
    store<i32>(head, entered + 1);
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function hash(at: usize): usize {
  return <usize>((load<u32>(at) * 2654435761) >> (32 - HASH_BITS));
}

// @ts-ignore: a decorator of the compiler
@inline
function equalBefore(there: usize, here: usize, most: i32): i32 {
  let count: i32 = 0;
  while (count < most && load<u8>(there - count - 1) == load<u8>(here - count - 1)) count++;
  return count;
}

// @ts-ignore: a decorator of the compiler
@inline
function equalAfter(there: usize, here: usize): i32 {
  const start = here;
  while (here + 8 <= limit) {
    const difference = load<u64>(there) ^ load<u64>(here);
    if (difference != 0) return <i32>(here - start) + <i32>(ctz(difference) >> 3);
    there += 8;
    here += 8;
  }
  while (here < limit && load<u8>(there) == load<u8>(here)) {
    there++;
    here++;
  }
  return <i32>(here - start);
}
