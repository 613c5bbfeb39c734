import { type Triple, voxels } from '../../common/geometry.ts';
import { type Maps, place } from '../gpu/memory.ts';
import { type MatrixUnits, type Tiling, tileFor } from '../gpu/tile.ts';
import { ravel, unravel, vector } from './taps.ts';

/**
 * How a convolution is cut where each workgroup keeps a box of voxels in its memory, all that its part of the result needs: every
 * element is loaded once, not for every tap of the kernel. Matrix units take their right matrices from there: a run of neighbouring
 * voxels along axis 2, of as many channels as a unit has terms.
 */
export interface BoxTile {
  units: MatrixUnits;
  /** Channels of the result. */
  rows: number;
  /** Voxels of the result: runs along axes 0 and 1, and the length of one. */
  result: Triple;
  /** Voxels of the box. */
  box: Triple;
  /** What a subgroup makes: channels, and runs. */
  own: [rows: number, runs: number];
  subgroups: number;
}

/** Elements that a voxel's line is longer than what it holds: 16 bytes, so that voxels that are read together do not meet in banks. */
const PAD = 8;
/** Workgroup memory of every adapter that has matrix units. */
export const LEAST_WORKGROUP = 32 * 1024;

/** Elements that a voxel takes in a box of so many channels. */
export function lineOf(channels: number): number {
  return channels + PAD;
}

/** Of a workgroup that makes a single run: tiles have no more rows than these share. */
const MOST_SUBGROUPS = 8;

/** Null where there are no matrix units, or the box of a single run is too large for workgroups, however it is tiled: sums have another order then. */
export function boxTile(tiling: Tiling, channels: number, taps: Triple, shape: Triple): BoxTile | null {
  const { units, own, workgroupBytes = LEAST_WORKGROUP } = tiling;
  if (units === undefined) return null;
  const least = { units, box: [taps[0], taps[1], units.columns + taps[2] - 1] as Triple, subgroups: MOST_SUBGROUPS };
  if (boxBytes(least) > workgroupBytes) return null;
  const { rows, columns } = tileFor(tiling, channels, tiling.mostColumns);
  for (let most = columns / units.columns; most >= 1; most /= 2) {
    const [z, y] = arrange(most, shape);
    const ownRuns = Math.min(Math.max(1, own[1] / units.columns), z * y);
    const ownRows = Math.min(own[0], Math.max(units.rows, rows / 2));
    const result: Triple = [z, y, units.columns];
    const tile: BoxTile = {
      units,
      rows,
      result,
      box: result.map((size, axis) => size + taps[axis] - 1) as Triple,
      own: [ownRows, ownRuns],
      subgroups: (rows / ownRows) * ((z * y) / ownRuns),
    };
    if (boxBytes(tile) <= workgroupBytes) return tile;
  }
  return null;
}

/** Of workgroup memory: the box, and a matrix of each subgroup on its way out. */
export function boxBytes({ box, units, subgroups }: Pick<BoxTile, 'box' | 'units' | 'subgroups'>): number {
  return 2 * voxels(box) * lineOf(units.terms) + 4 * subgroups * units.rows * units.columns;
}

/** So many runs, or fewer, along axes 0 and 1: about as many in both, and hardly more than there are voxels. */
export function arrange(runs: number, [depth, height]: Triple): [number, number] {
  let [z, y] = [1, 1];
  while (z * y < runs) {
    if (y < height && (y <= z || z >= depth)) y *= 2;
    else if (z < depth) z *= 2;
    else break;
  }
  return [z, y];
}

/** What is loaded into a box. */
export interface Load {
  /** A workgroup's array of float16, [voxel of the box, channel]. */
  into: string;
  box: Triple;
  channels: number;
  threads: number;
  /** Maps, and the name of their binding. */
  from: Maps;
  source: string;
  /** WGSL: the sample; the first channel, a u32; and the box's corner in the maps, a vec3i that may lie outside. */
  sample: string;
  first: string;
  corner: string;
}

/** Channels that a thread loads of a voxel. */
const AT_ONCE = 16;

/** Loads a box. There are zeros outside of the maps. Neighbouring threads load neighbouring voxels. */
export function loadBox({ into, box, channels, threads, source, from, sample, first, corner }: Load): string {
  const each = Math.min(AT_ONCE, channels);
  const parts = channels / each;
  const count = voxels(box);
  const own = parts === 1 ? first : `${first} + part`;
  const put = `${into}[line + c] = f16(${source}[at + c * ${voxels(from.shape)}u]);`;
  const guarded = from.channels % channels === 0 ? put : `if (${own} + c < ${from.channels}u) { ${put} } else { ${into}[line + c] = 0h; }`;
  return `  for (var item = THREAD; item < ${count * parts}u; item += ${threads}u) {
    let voxel = item % ${count}u;${parts === 1 ? '' : ` let part = item / ${count}u * ${each}u;`}
    let inMaps = ${corner} + ${unravel('voxel', box)};
    let line = voxel * ${lineOf(channels)}u${parts === 1 ? '' : ' + part'};
    if (all(inMaps >= vec3i(0)) && all(inMaps < ${vector(from.shape)})) {
      let at = ${place(from, sample, `(${own})`, ravel('inMaps', from.shape))};
      for (var c = 0u; c < ${each}u; c++) { ${guarded} }
    } else {
      for (var c = 0u; c < ${each}u; c++) { ${into}[line + c] = 0h; }
    }
  }`;
}
