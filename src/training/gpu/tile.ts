import type { Precision } from './precision.ts';

/** Units that multiply whole matrices, as an adapter offers them: float16 in, float32 sums. */
export interface MatrixUnits {
  /** Sizes of one product: `rows` x `terms` times `terms` x `columns`. */
  rows: number;
  columns: number;
  terms: number;
  /** Threads that work on one together. */
  subgroup: number;
}

/** How the threads of a workgroup make a product: see the files `*-loop.ts`. */
export type LoopKind = 'direct' | 'shared' | 'matrix';

/** What decides tiles. */
export interface Tiling {
  loop: LoopKind;
  /** Elements of a workgroup's part of the result. */
  area: number;
  mostRows: number;
  /** Where there are few rows: workgroup memory has `depth` terms of every column. */
  mostColumns: number;
  depth: number;
  /** Rows and columns that a thread makes, on matrix units a subgroup. */
  own: readonly [rows: number, columns: number];
  /** Whether four terms of the left matrix are read at once where they lie together. */
  wideLeft?: boolean;
  units?: MatrixUnits;
  /** Workgroup memory that there is. */
  workgroupBytes?: number;
}

/**
 * How a tiled product is cut: a workgroup makes `rows` x `columns` of the result, `depth` terms at a time; a thread, or a subgroup,
 * makes `own` rows and columns of it. All are powers of two.
 */
export interface Tile extends Pick<Tiling, 'loop' | 'depth' | 'own' | 'units'> {
  rows: number;
  columns: number;
}

/** The fastest of seven on an H100: bench/results, `tilings_128`. */
export const GPU_TILING: Tiling = { loop: 'shared', area: 4096, mostRows: 64, mostColumns: 256, depth: 16, own: [4, 4] };
/** On a CPU, caches are what is shared. Barriers cost much there, and shaders with barriers take seconds to compile. */
export const SOFTWARE_TILING: Tiling = { loop: 'direct', area: 1024, mostRows: 4, mostColumns: 256, depth: 1, own: [4, 4] };
/** On 16x16x16 units: workgroups of eight subgroups, on an H200. */
const GPU_MATRIX_TILING: Omit<Tiling, 'units' | 'depth'> = {
  loop: 'matrix',
  area: 16384,
  mostRows: 64,
  mostColumns: 256,
  own: [32, 64],
  wideLeft: true,
};

/**
 * Ways to make products on an adapter, `tilingFor`'s first: which is the fastest depends on the product, and `tune` measures it. All make
 * the same sums in the same order, so that whichever is taken changes no bit of a result.
 */
export function tilingsFor(gpu: TiledAdapter, precision: Precision): Tiling[] {
  const usual = tilingFor(gpu, precision);
  return [usual, ...othersFor(usual, gpu.software).map((change) => ({ ...usual, ...change }))];
}

/** As people read it, and as caches name it. */
export function showTiling({ loop, area, mostRows, mostColumns, depth, own, wideLeft }: Tiling): string {
  return `${loop} ${area} of ${mostRows}x${mostColumns}, depth ${depth}, own ${own.join('x')}${wideLeft ? ', wide' : ''}`;
}

/** Other numbers than the usual ones. */
function othersFor({ loop, units }: Tiling, software: boolean): Partial<Tiling>[] {
  if (loop === 'shared') return GPU_OTHERS;
  if (units === undefined) return SOFTWARE_OTHERS;
  if (software) return [{ area: units.rows * units.columns, mostColumns: units.columns, wideLeft: true }];
  return GPU_MATRIX_OTHERS;
}

/** Those of the others on the H100 that were the fastest for some layers, and one for layers that are small. */
const GPU_OTHERS: Partial<Tiling>[] = [
  { wideLeft: true },
  { area: 8192, depth: 8, own: [8, 8] },
  { area: 8192, depth: 8, own: [8, 8], wideLeft: true },
  { depth: 8, own: [8, 8] },
  { area: 16384, mostRows: 128, depth: 8, own: [8, 8] },
  { area: 1024, mostRows: 32, mostColumns: 64 },
];
const SOFTWARE_OTHERS: Partial<Tiling>[] = [
  { area: 256, mostColumns: 64 },
  { area: 512, mostRows: 8, mostColumns: 64, own: [8, 2] },
];
/** Smaller ones, higher ones, and lower ones: such were the fastest for some layers on an H200. */
const GPU_MATRIX_OTHERS: Partial<Tiling>[] = [
  { area: 8192, own: [32, 32] },
  { area: 4096, mostColumns: 128, own: [32, 32] },
  { mostRows: 128 },
  { mostRows: 32 },
];

/** How products are made on an adapter. */
export function tilingFor({ software, units, limits }: TiledAdapter, precision: Precision): Tiling {
  if (precision === 'float32' || units === null) return software ? SOFTWARE_TILING : GPU_TILING;
  const workgroupBytes = limits.maxComputeWorkgroupStorageSize;
  if (software) return { ...softwareMatrixTiling(units), workgroupBytes };
  const small = workgroupBytes < LARGE_WORKGROUP;
  // Each thread of a subgroup loads another term, in the smallest tile, too.
  const depth = Math.max(units.terms, Math.min(16, units.subgroup));
  return { ...GPU_MATRIX_TILING, ...(small && { area: 4096, mostColumns: 128 }), depth, units, workgroupBytes };
}

/** What of a `Gpu` decides how products are made. */
interface TiledAdapter {
  software: boolean;
  units: MatrixUnits | null;
  limits: { readonly maxComputeWorkgroupStorageSize: number };
}

/** Workgroup memory of NVIDIA's GPUs: the largest tiles of `GPU_MATRIX_TILING` take 40 KiB, the smaller ones 24. */
const LARGE_WORKGROUP = 48 * 1024;

/** Two subgroups with one matrix each: a CPU takes a second to compile the smallest of these shaders, and longer for larger ones. */
function softwareMatrixTiling(units: MatrixUnits): Tiling {
  const { rows, columns, terms } = units;
  return { loop: 'matrix', area: 2 * rows * columns, mostRows: rows, mostColumns: 2 * columns, depth: terms, own: [rows, columns], units };
}

/** A tile that wastes little on a result of these sizes. */
export function tileFor({ area, mostRows, mostColumns, depth, own, loop, units }: Tiling, rows: number, columns: number): Tile {
  const [leastRows, leastColumns] = units ? [units.rows, units.columns] : own;
  const within = (size: number, least: number, most: number): number => Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(size, least))));
  const tileRows = within(rows, leastRows, mostRows);
  const tileColumns = within(columns, leastColumns, Math.min(area / tileRows, mostColumns));
  return {
    loop,
    rows: tileRows,
    columns: tileColumns,
    depth,
    own: [Math.min(own[0], tileRows), Math.min(own[1], tileColumns)],
    ...(units && { units }),
  };
}
