/**
 * Undoes Blosc's byte delta of `length` bytes in place: `streams` of equal length are made of the sums of their differences so far,
 * modulo 256; what is left over at the end is as it was.
 */
export function sumBytes(pointer: usize, length: usize, streams: usize): void {
  const count = length / streams;
  for (let stream: usize = 0; stream < streams; stream++) {
    let sum: u8 = 0;
    for (let i: usize = 0; i < count; i++, pointer++) {
      sum += load<u8>(pointer);
      store<u8>(pointer, sum);
    }
  }
}
