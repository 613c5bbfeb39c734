/** One number for each of four axes: [channel, z, y, x]. */
export type Four = [number, number, number, number];

/** A half-open box of elements. */
export interface FourBox {
  lower: Four;
  upper: Four;
}

/** How an array of four axes is cut into chunks, and those into blocks. */
export interface Grid {
  shape: Four;
  chunk: Four;
  block: Four;
}

/** The part of a box that lies in one block. */
export interface BlockPart {
  /** The block's number in its chunk. */
  block: number;
  /** Its first element in the block, and in the box. */
  from: Four;
  at: Four;
  size: Four;
}

/** The same along one axis. */
interface Span {
  chunk: number;
  block: number;
  from: number;
  at: number;
  size: number;
}

/** The blocks that a box touches, by the number of their chunk: c-blosc2, README_B2ND_METALAYER.rst. The box lies inside the array. */
export function blocksOf({ shape, chunk, block }: Grid, { lower, upper }: FourBox): Map<number, BlockPart[]> {
  const chunks = shape.map((size, axis) => Math.ceil(size / chunk[axis]));
  const blocks = chunk.map((size, axis) => Math.ceil(size / block[axis]));
  const [channels, planes, rows, columns] = shape.map((_, axis) => spans(lower[axis], upper[axis], chunk[axis], block[axis]));
  const found = new Map<number, BlockPart[]>();
  for (const c of channels)
    for (const z of planes)
      for (const y of rows)
        for (const x of columns) {
          const spansOf = [c, z, y, x];
          const number = position(spansOf.map((span) => span.chunk) as Four, chunks);
          const parts = found.get(number) ?? [];
          if (parts.length === 0) found.set(number, parts);
          parts.push({
            block: position(spansOf.map((span) => span.block) as Four, blocks),
            from: [c.from, z.from, y.from, x.from],
            at: [c.at, z.at, y.at, x.at],
            size: [c.size, z.size, y.size, x.size],
          });
        }
  return found;
}

/** Blocks end with their chunk, which may be no multiple of them. */
function spans(lower: number, upper: number, chunk: number, block: number): Span[] {
  const found: Span[] = [];
  for (let x = lower; x < upper; ) {
    const inChunk = x % chunk;
    const from = inChunk % block;
    const size = Math.min(block - from, chunk - inChunk, upper - x);
    found.push({ chunk: Math.floor(x / chunk), block: Math.floor(inChunk / block), from, at: x - lower, size });
    x += size;
  }
  return found;
}

function position(at: Four, counts: readonly number[]): number {
  return ((at[0] * counts[1] + at[1]) * counts[2] + at[2]) * counts[3] + at[3];
}
