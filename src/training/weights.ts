import { readFile } from 'node:fs/promises';
import { CheckpointError, fileError } from '../common/errors.ts';
import { voxels } from '../common/geometry.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../formats/safetensors.ts';
import type { Parameter } from './network/parameters.ts';

/** What prediction has to know of a network's training. It stands in the header of the file with its parameters, as texts. */
export interface TrainedAs {
  /** Of the plans. */
  configuration: string | null;
  /** Axes along which patches were mirrored, so that prediction may mirror them, too: counted among the patch's own, as nnU-Net does. */
  mirrorAxes: number[];
}

/** The numbers of a network or an optimiser, by the names that nnU-Net's network has for its parameters. */
export interface Weights extends TrainedAs {
  path: string;
  tensors: Map<string, NamedTensor>;
}

export type Layout = Pick<Parameter, 'name' | 'shape' | 'offset'>;

/** The bytes of a safetensors file, from all numbers in one array. */
export function encodeWeights(
  list: readonly Layout[],
  values: Float32Array<ArrayBufferLike>,
  { configuration, mirrorAxes }: TrainedAs,
): Uint8Array[] {
  return encodeSafetensors(
    list.map(({ name, shape, offset }) => ({ name, shape, data: values.subarray(offset, offset + voxels(shape)) })),
    { format: 'pt', ...(configuration !== null && { configuration }), mirror_axes: mirrorAxes.join() },
  );
}

/** @throws CheckpointError for what is no safetensors file of float32, FileError */
export async function readWeights(path: string): Promise<Weights> {
  const bytes = await readFile(path).catch((error) => {
    throw fileError(path, error);
  });
  return refusing(path, () => {
    const { tensors, metadata } = decodeSafetensors(bytes);
    const { configuration = null, mirror_axes: axes = '' } = metadata;
    if (!/^([012](,[012])*)?$/.test(axes)) throw new RangeError(`its mirror_axes are "${axes}", not axes such as "0,1,2"`);
    return { path, tensors, configuration, mirrorAxes: axes === '' ? [] : axes.split(',').map(Number) };
  });
}

/** nnU-Net's network has most parameters twice: a block also lists its layers, and the decoder knows the encoder. */
const isAlias = (name: string): boolean => name.includes('.all_modules.') || name.startsWith('decoder.encoder.');

/** All numbers in one array of `length`, as `list` lays them out. @throws CheckpointError if they do not fit the network */
export function valuesOf({ path, tensors }: Weights, list: readonly Layout[], length: number): Float32Array {
  return refusing(path, () => {
    const known = new Set(list.map(({ name }) => name));
    const other = [...tensors.keys()].find((name) => !known.has(name) && !isAlias(name));
    if (other !== undefined) throw new RangeError(`it has ${other}, which the network has not`);
    const all = new Float32Array(length);
    for (const { name, shape, offset } of list) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new RangeError(`${name} is missing`);
      if (tensor.shape.join() !== shape.join()) throw new RangeError(`${name} has shape ${tensor.shape}, the network wants ${shape}`);
      const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) throw new RangeError(`${name} has the value ${tensor.data[bad]}: the training that wrote it went astray`);
      all.set(tensor.data, offset);
    }
    return all;
  });
}

function refusing<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CheckpointError(path, error.message, 'Take the file that belongs to these plans, or train again', { cause: error });
  }
}
