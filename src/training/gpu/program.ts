import { showBytes } from '../../common/bytes.ts';
import { GpuError } from '../../common/errors.ts';
import type { Gpu } from './device.ts';
import { type Kernel, rowsOf } from './kernel.ts';
import { BYTES, bytesOf, type Memory, type Span, shareBuffers } from './memory.ts';

/** A kernel that is ready to run. */
interface Step {
  kernel: Kernel;
  pipeline: GPUComputePipeline;
  bindings: GPUBindGroup;
}

/** By the text of the shader. */
export type Pipelines = Map<string, Promise<GPUComputePipeline>>;

/** Begins to compile every shader that `pipelines` does not have. Drivers compile some at the same time. */
export function compileShaders(gpu: Gpu, kernels: readonly Kernel[], pipelines: Pipelines = new Map()): Pipelines {
  for (const kernel of kernels) {
    if (pipelines.has(kernel.code)) continue;
    const pipeline = compile(gpu, kernel);
    // Whoever waits for it hears of a failure.
    pipeline.catch(() => {});
    pipelines.set(kernel.code, pipeline);
  }
  return pipelines;
}

/** A static list of kernels with their buffers: planned once, run as often as wanted. */
export class Program {
  /** GPU memory of all buffers, in bytes. */
  readonly bytes: number;
  readonly #steps: Map<Kernel, Step>;
  readonly #buffers: Map<Memory, GPUBuffer>;
  readonly #gpu: Gpu;

  /**
   * Plans buffers by lifetime and compiles every shader. `kernels` are in the order in which they will run; a run may leave some out.
   * @param pipelines those that are being compiled already
   * @throws GpuError naming the kernel or memory and the limit that it exceeds
   */
  static async compile(gpu: Gpu, kernels: readonly Kernel[], pipelines: Pipelines = new Map()): Promise<Program> {
    for (const kernel of kernels) checkKernel(gpu, kernel);
    const made: GPUBuffer[] = [];
    try {
      return await Program.#compile(gpu, kernels, compileShaders(gpu, kernels, pipelines), made);
    } catch (error) {
      for (const buffer of made) buffer.destroy();
      throw error;
    }
  }

  /** @param made the buffers, as soon as they are there */
  static async #compile(gpu: Gpu, kernels: readonly Kernel[], pipelines: Pipelines, made: GPUBuffer[]): Promise<Program> {
    const { buffers, bytes } = await allocate(gpu, kernels, made);
    const steps = new Map<Kernel, Step>();
    await Promise.all(
      kernels.map(async (kernel) => {
        const pipeline = await (pipelines.get(kernel.code) as Promise<GPUComputePipeline>);
        const bindings = await gpu.guarded(kernel.name, () => bind(gpu, kernel, pipeline, buffers));
        steps.set(kernel, { kernel, pipeline, bindings });
      }),
    );
    gpu.check();
    return new Program(gpu, steps, buffers, bytes);
  }

  private constructor(gpu: Gpu, steps: Map<Kernel, Step>, buffers: Map<Memory, GPUBuffer>, bytes: number) {
    this.#gpu = gpu;
    this.#steps = steps;
    this.#buffers = buffers;
    this.bytes = bytes;
  }

  /** The buffer of a memory; that of others may hold anything but while the kernels run that it was planned for. */
  buffer(memory: Memory): GPUBuffer {
    const found = this.#buffers.get(memory);
    if (found === undefined) throw new GpuError(memory.name, 'no kernel uses it', 'It is a fault of voxfeed: report it');
    return found;
  }

  encode(encoder: GPUCommandEncoder, kernels: readonly Kernel[], timestampWrites?: GPUComputePassTimestampWrites): void {
    const pass = encoder.beginComputePass(timestampWrites && { timestampWrites });
    for (const each of kernels) {
      const { kernel, pipeline, bindings } = this.#steps.get(each) as Step;
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      pass.dispatchWorkgroups(...rowsOf(kernel.groups));
    }
    pass.end();
  }

  /**
   * The same, each kernel in a pass of its own and timed: somewhat slower.
   * @returns what reads the milliseconds of each kernel, once the encoder's work was submitted. The GPU must have been opened with `timed`
   */
  encodeTimed(encoder: GPUCommandEncoder, kernels: readonly Kernel[]): () => Promise<number[]> {
    const { device } = this.#gpu;
    const bytes = 16 * kernels.length;
    const result = device.createBuffer({ label: 'times', size: bytes, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    const resolved = device.createBuffer({ label: 'times', size: bytes, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const querySet = device.createQuerySet({ type: 'timestamp', count: 2 * kernels.length });
    for (const [i, kernel] of kernels.entries())
      this.encode(encoder, [kernel], { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 });
    encoder.resolveQuerySet(querySet, 0, 2 * kernels.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, result, 0, bytes);
    return async () => {
      await this.#gpu.orFailure(result.mapAsync(GPUMapMode.READ));
      const nanoseconds = new BigUint64Array(result.getMappedRange().slice(0));
      for (const each of [result, resolved, querySet]) each.destroy();
      return kernels.map((_, i) => Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]) / 1e6);
    };
  }

  write(memory: Memory, values: Float32Array | Uint32Array | Int16Array): void {
    this.#gpu.device.queue.writeBuffer(this.buffer(memory), 0, values as GPUAllowSharedBufferSource);
  }

  /** Copies memories to the host. Waits for all that was submitted. */
  async read(...memories: Memory[]): Promise<ArrayBuffer[]> {
    const { device } = this.#gpu;
    const staged = memories.map((memory) => {
      const size = bytesOf(memory);
      return device.createBuffer({ label: `copy of ${memory.name}`, size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    });
    const encoder = device.createCommandEncoder();
    for (const [i, memory] of memories.entries()) encoder.copyBufferToBuffer(this.buffer(memory), 0, staged[i], 0, bytesOf(memory));
    device.queue.submit([encoder.finish()]);
    const contents: ArrayBuffer[] = [];
    for (const buffer of staged) {
      await this.#gpu.orFailure(buffer.mapAsync(GPUMapMode.READ));
      contents.push(buffer.getMappedRange().slice(0));
      buffer.destroy();
    }
    return contents;
  }

  async readFloats(memory: Memory): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array((await this.read(memory))[0]);
  }

  destroy(): void {
    for (const buffer of new Set(this.#buffers.values())) buffer.destroy();
  }
}

function checkKernel(gpu: Gpu, { name, workgroupBytes, threads, bindings }: Kernel): void {
  const { limits } = gpu;
  const exceed = (what: string, limit: keyof GPUSupportedLimits, action: string): never => {
    throw new GpuError(name, `it needs ${what}, above ${String(limit)} (${limits[limit]}) of ${gpu.name}`, action);
  };
  if (workgroupBytes > limits.maxComputeWorkgroupStorageSize)
    exceed(`${workgroupBytes} bytes of workgroup memory`, 'maxComputeWorkgroupStorageSize', 'Use another GPU, or smaller tiles');
  if (threads > limits.maxComputeInvocationsPerWorkgroup)
    exceed(`${threads} threads`, 'maxComputeInvocationsPerWorkgroup', 'Use another GPU, or smaller tiles');
  for (const { memory } of bindings) {
    const bytes = spaceOf(memory);
    for (const limit of ['maxStorageBufferBindingSize', 'maxBufferSize'] as const)
      if (bytes > limits[limit]) exceed(`${memory.name} of ${showBytes(bytes)}`, limit, 'Take a smaller patch or batch, or another GPU');
  }
}

/** Bytes of a memory's buffer: shaders that see four elements as one see the last ones, too. */
function spaceOf(memory: Memory): number {
  return Math.max(16, 16 * Math.ceil(bytesOf(memory) / 16));
}

/** A buffer for every memory: its own if it persists, else one that others use at other times. */
async function allocate(
  gpu: Gpu,
  kernels: readonly Kernel[],
  made: GPUBuffer[],
): Promise<{ buffers: Map<Memory, GPUBuffer>; bytes: number }> {
  const spans = new Map<Memory, Span>();
  for (const [index, { bindings }] of kernels.entries()) {
    for (const { memory } of bindings) {
      const span = spans.get(memory);
      if (span === undefined) spans.set(memory, { bytes: spaceOf(memory), from: index, to: index });
      else span.to = index;
    }
  }
  const passing = [...spans.keys()].filter(({ persistent }) => !persistent);
  const shared = shareBuffers(passing.map((memory) => spans.get(memory) as Span));
  const owners = shared.bytes.map((size, buffer) => ({
    size,
    label: `shared by ${passing.find((_, i) => shared.buffer[i] === buffer)?.name}, …`,
  }));
  const own = [...spans.keys()].filter(({ persistent }) => persistent);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const create = (label: string, size: number): Promise<GPUBuffer> =>
    gpu.guarded(label, () => {
      const buffer = gpu.device.createBuffer({ label, size, usage });
      made.push(buffer);
      return buffer;
    });
  const owned = await Promise.all(owners.map(({ label, size }) => create(label, size)));
  const buffers = new Map(passing.map((memory, i) => [memory, owned[shared.buffer[i]]]));
  for (const memory of own) buffers.set(memory, await create(memory.name, spaceOf(memory)));
  return { buffers, bytes: [...new Set(buffers.values())].reduce((sum, { size }) => sum + size, 0) };
}

async function compile(gpu: Gpu, { name, code }: Kernel): Promise<GPUComputePipeline> {
  const { device } = gpu;
  const module = await gpu.guarded(name, () => device.createShaderModule({ label: name, code }));
  try {
    return await gpu.orFailure(device.createComputePipelineAsync({ label: name, layout: 'auto', compute: { module, entryPoint: 'main' } }));
  } catch (error) {
    throw error instanceof GpuError
      ? error
      : new GpuError(
          name,
          `the shader does not compile: ${(error as Error).message}`,
          'It is a fault of voxfeed: report it, with the GPU',
          { cause: error },
        );
  }
}

function bind(gpu: Gpu, { name, bindings }: Kernel, pipeline: GPUComputePipeline, buffers: Map<Memory, GPUBuffer>): GPUBindGroup {
  const entries = bindings.map(({ memory, from }, binding) => {
    const offset = BYTES[memory.type] * from;
    return { binding, resource: { buffer: buffers.get(memory) as GPUBuffer, offset, size: spaceOf(memory) - offset } };
  });
  return gpu.device.createBindGroup({ label: name, layout: pipeline.getBindGroupLayout(0), entries });
}
