/**
 * Calls `visit` for runs of equal labels among those from `start` to `end`, in their order. Most of a volume is background, in long
 * runs: labels of one byte are compared by fours, those of two by twos.
 */
export function forEachRun(
  labels: Int8Array | Int16Array,
  start: number,
  end: number,
  visit: (label: number, start: number, end: number) => void,
): void {
  const { buffer, byteOffset, length, BYTES_PER_ELEMENT: bytes } = labels;
  const shift = bytes === 1 ? 2 : 1;
  const each = 1 << shift;
  const words = byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, length >> shift) : new Int32Array(0);
  for (let i = start; i < end; ) {
    const first = i;
    const label = labels[i++];
    const word = bytes === 1 ? Math.imul(label & 0xff, 0x01010101) : Math.imul(label & 0xffff, 0x00010001);
    while (i < end && labels[i] === label) {
      i++;
      if ((i & (each - 1)) === 0) while (i + each <= end && words[i >> shift] === word) i += each;
    }
    visit(label, first, i);
  }
}
