/**
 * Calls `visit` for runs of equal labels among those from `start` to `end`, in their order. Most of a volume is background, in long
 * runs: bytes are compared by fours.
 */
export function forEachRun(
  labels: Int8Array | Int16Array,
  start: number,
  end: number,
  visit: (label: number, start: number, end: number) => void,
): void {
  const fours = foursOf(labels);
  for (let i = start; i < end; ) {
    const first = i;
    const label = labels[i++];
    const four = Math.imul(label & 0xff, 0x01010101);
    while (i < end && labels[i] === label) {
      i++;
      if ((i & 3) === 0) while (i + 4 <= end && fours[i >> 2] === four) i += 4;
    }
    visit(label, first, i);
  }
}

/** Bytes by fours; empty where they are no bytes, or do not lie as a processor likes it. */
function foursOf({ buffer, byteOffset, length, BYTES_PER_ELEMENT }: Int8Array | Int16Array): Int32Array {
  return BYTES_PER_ELEMENT === 1 && byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, length >> 2) : new Int32Array(0);
}
