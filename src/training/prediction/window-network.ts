import { type Axis, patchOf, type Triple, voxels } from '../../common/geometry.ts';
import type { Gpu } from '../gpu/device.ts';
import { elementwise, type Kernel, read, write } from '../gpu/kernel.ts';
import { type Maps, type Memory, maps, memory, place } from '../gpu/memory.ts';
import { Program } from '../gpu/program.ts';
import { tilingFor } from '../gpu/tile.ts';
import { Unet } from '../network/unet.ts';
import { valuesOf, type Weights } from '../weights.ts';
import type { ModelNetwork } from './model.ts';

/** Networks of one kind on the GPU that label a window together: the mean of their logits, and of those of mirrored windows. */
export class WindowNetwork {
  /** Voxels of a window. */
  readonly window: Triple;
  readonly classes: number;
  readonly #gpu: Gpu;
  readonly #unet: Unet;
  readonly #program: Program;
  readonly #memories: Memories;
  readonly #kernels: Kernel[];
  /** The parameters of each network. */
  readonly #folds: GPUBuffer[];

  /** @throws PlansError, CheckpointError, GpuError */
  static async create(gpu: Gpu, network: ModelNetwork, weights: readonly Weights[]): Promise<WindowNetwork> {
    // What was trained in mixed precision predicts on adapters that cannot, too.
    const precision = gpu.hasHalf ? network.precision : 'float32';
    const unet = new Unet({ ...network, precision, batch: 1, heads: 1, tiling: tilingFor(gpu, precision) });
    const [logits] = unet.logits;
    const memories: Memories = {
      patch: maps('patch', 1, unet.input.channels, unet.input.shape, { persistent: true }),
      mean: maps('mean logits', 1, logits.channels, logits.shape, { persistent: true }),
      control: memory('control', 3, { persistent: true }),
    };
    const kernels = [mirrorInput(memories, unet.input), ...unet.forward, addMirrored(memories, logits)];
    const program = await Program.compile(gpu, kernels);
    const { list, values } = unet.parameters;
    const folds: GPUBuffer[] = [];
    for (const each of weights) folds.push(await parameterBuffer(gpu, valuesOf(each, list, values.length)));
    return new WindowNetwork(gpu, network, { unet, program, memories, kernels, folds });
  }

  private constructor(
    gpu: Gpu,
    { patchSize, classes }: ModelNetwork,
    parts: { unet: Unet; program: Program; memories: Memories; kernels: Kernel[]; folds: GPUBuffer[] },
  ) {
    this.#gpu = gpu;
    this.window = patchOf(patchSize);
    this.classes = classes;
    this.#unet = parts.unet;
    this.#program = parts.program;
    this.#memories = parts.memories;
    this.#kernels = parts.kernels;
    this.#folds = parts.folds;
  }

  /**
   * Logits [classes, z, y, x] of a window [channels, z, y, x]: everything is submitted before this returns, so that the array may be
   * used again at once.
   * @param mirrorAxes each combination of them is mirrored, none of them included. @throws GpuError
   */
  async predict(patch: Float32Array, mirrorAxes: readonly Axis[]): Promise<Float32Array> {
    const { patch: input, mean, control } = this.#memories;
    const program = this.#program;
    const combinations = 2 ** mirrorAxes.length;
    program.write(input.memory, patch);
    for (const [fold, parameters] of this.#folds.entries())
      for (let bits = 0; bits < combinations; bits++) {
        const axes = mirrorAxes.filter((_, i) => bits & (1 << i)).reduce<number>((sum, axis) => sum + (1 << axis), 0);
        const first = fold === 0 && bits === 0;
        program.write(control, Float32Array.of(axes, first ? 0 : 1, 1 / (combinations * this.#folds.length)));
        const encoder = this.#gpu.device.createCommandEncoder();
        if (bits === 0) {
          const to = program.buffer(this.#unet.parameters.values);
          encoder.copyBufferToBuffer(parameters, 0, to, 0, parameters.size);
        }
        program.encode(encoder, this.#kernels);
        this.#gpu.device.queue.submit([encoder.finish()]);
      }
    return program.readFloats(mean.memory);
  }
}

interface Memories {
  /** The window as it lies. */
  patch: Maps;
  /** The sum of what was predicted so far, each part divided by the number of all. */
  mean: Maps;
  /** Mirrored axes as bits; whether something was predicted before; what a part is multiplied with. */
  control: Memory;
}

/** Reads as WGSL: where the voxel INDEX % area lies in the mirrored window. */
const MIRRORED = ([depth, height, width]: Triple): string => `
  let bits = u32(control[0]);
  let voxel = INDEX % ${depth * height * width}u;
  let channel = INDEX / ${depth * height * width}u;
  let at = vec3u(voxel / ${height * width}u, voxel / ${width}u % ${height}u, voxel % ${width}u);
  let flipped = select(at, vec3u(${depth - 1}u, ${height - 1}u, ${width - 1}u) - at, vec3<bool>((bits & 1u) != 0u, (bits & 2u) != 0u, (bits & 4u) != 0u));
  let mirrored = (flipped.x * ${height}u + flipped.y) * ${width}u + flipped.z;`;

function mirrorInput({ patch, control }: Memories, input: Maps): Kernel {
  return elementwise(
    'mirror the window',
    input.channels * voxels(input.shape),
    [read('lying', patch.memory), read('control', control), write('input', input.memory)],
    `${MIRRORED(input.shape)}
  input[${place(input, '0u', 'channel', 'voxel')}] = ${input.memory.type}(lying[${place(patch, '0u', 'channel', 'mirrored')}]);`,
  );
}

function addMirrored({ mean, control }: Memories, logits: Maps): Kernel {
  return elementwise(
    'add the logits of a mirrored window',
    logits.channels * voxels(logits.shape),
    [read('logits', logits.memory), read('control', control), write('mean', mean.memory)],
    `${MIRRORED(logits.shape)}
  let before = select(0.0, mean[INDEX], control[1] != 0.0);
  mean[INDEX] = before + control[2] * f32(logits[${place(logits, '0u', 'channel', 'mirrored')}]);`,
  );
}

async function parameterBuffer(gpu: Gpu, values: Float32Array): Promise<GPUBuffer> {
  const size = values.byteLength;
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = await gpu.guarded('the parameters of a fold', () => gpu.device.createBuffer({ size, usage }));
  gpu.device.queue.writeBuffer(buffer, 0, values as GPUAllowSharedBufferSource);
  return buffer;
}
