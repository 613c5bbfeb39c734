import { type Triple, triple, voxels } from '../common/geometry.ts';
import type { LargestBlock } from '../formats/b2nd/head.ts';
import { WARP_BYTES, WARP_SCRATCH_BYTES } from '../kernels/spatial.ts';
import { slabBytes } from '../reading/boxes.ts';
import { cascadeOf, contextOf, isSpatial, type Pipeline } from './pipeline.ts';
import type { Targets } from './targets.ts';
import { TRANSFORMS } from './transforms/index.ts';

/** The parts of a worker's scratch region, in bytes from its start; what one sample needs, one after the other. */
export interface ScratchPlan {
  /** A described warp. */
  warp: number;
  /** The box of a tile. */
  tile: number;
  /** Slabs on their way from a file. */
  slab: number;
  slabBytes: number;
  /** As many channels of what a warp reads have room at once. */
  channelsAtOnce: number;
  /** Deep-supervision tables: int32, one entry for each voxel along each axis. */
  tables: number;
  /** Labels that are not what the batch gets: int16 [z, y, x], where regions are made of them. */
  labels: number;
  /** The same at the size of a coarser target. */
  coarse: number;
  /** In a cascade, the previous stage's labels: int16 [z, y, x]. */
  previous: number;
  /** What a warp reads, or the whole crop; later the scratch of the transforms. */
  free: number;
  /** The scratch of steps that work on a whole crop. */
  beside: number;
  totalBytes: number;
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** The volumes that samples are read from: their shapes, and if they are compressed their largest block. */
export interface ScratchVolumes {
  channels: number;
  shapes: readonly Triple[];
  largestBlock: LargestBlock | null;
}

/** Sizes the scratch for samples of a pipeline. */
export function planScratch(pipeline: Pipeline, targets: Targets, { channels, shapes, largestBlock }: ScratchVolumes): ScratchPlan {
  const { steps, patch, crop, wholeCrop } = pipeline;
  const tile = align(WARP_BYTES);
  const slab = tile + align(WARP_SCRATCH_BYTES);
  const slabs = slabBytes(crop, shapes, largestBlock?.bytes ?? 0);
  const tables = slab + align(slabs);
  const labels = tables + align(4 * patch.shape.reduce((sum, size) => sum + size, 0));
  const { regions, shapes: targetShapes } = targets;
  const coarse = labels + (regions ? align(2 * voxels(patch.shape)) : 0);
  const previous = coarse + (regions ? align(2 * Math.max(...targetShapes.slice(1).map(voxels), 0)) : 0);
  const cascade = cascadeOf(steps).at >= 0;
  const free = previous + (cascade ? align(2 * voxels(patch.shape)) : 0);
  const applying = Math.max(...steps.map((step, i) => TRANSFORMS[step.transform].scratchBytes?.(step, contextOf(pipeline, i)) ?? 0), 0);
  const channelsAtOnce = largestBlock?.channels ?? 1;
  // A crop with all channels and its label maps, or one channel (all that are in a block) of as much of it as any volume has.
  const largest = Math.max(...shapes.map((shape) => voxels(triple((axis) => Math.min(shape[axis], crop[axis])))));
  const beside =
    free +
    (wholeCrop
      ? align((4 * channels + (cascade ? 4 : 2)) * voxels(crop))
      : steps.some(isSpatial)
        ? align(4 * channelsAtOnce * largest)
        : 0);
  return {
    warp: 0,
    tile,
    slab,
    slabBytes: slabs,
    channelsAtOnce,
    tables,
    labels,
    coarse,
    previous,
    free,
    beside,
    totalBytes: beside + applying,
  };
}
