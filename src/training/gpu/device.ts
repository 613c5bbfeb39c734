import { createRequire } from 'node:module';
import { GpuError } from '../../common/errors.ts';
import type { Precision } from './precision.ts';
import type { MatrixUnits } from './tile.ts';

/** What of a device the trainer asks for by name: WebGPU's defaults are far below what networks need. */
export const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage',
] as const;

/**
 * Dawn's switches ("toggles"), which it does not complain about if it does not know them. Without the first it hides experimental
 * features, matrix units among them; without the second float16 on NVIDIA, before driver 615. The third leaves out its own checks of
 * every index, which took 13 % of a step on an H200: kernels here keep to their memories by themselves, which tests watch.
 */
export const DAWN_SWITCHES = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', 'disable_robustness'];
/** What else is asked for where it is offered, besides `shader-f16`. */
const MATRIX_FEATURES = ['subgroups', 'chromium-experimental-subgroup-matrix'];

/** The one release that kernels are written for: what WGSL says of matrix units is experimental, and changes. */
export const WEBGPU_VERSION = '0.6.2';
export const INSTALL_WEBGPU = `Install it beside voxfeed: npm install webgpu@${WEBGPU_VERSION}`;
export const INSTALL_ADAPTER =
  'Install the driver of your GPU with Vulkan (Linux), or a software Vulkan to train on the CPU: mesa-vulkan-drivers 23 or newer ' +
  '(Debian 12: apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1). A container sees the Vulkan of an NVIDIA GPU with ' +
  'NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility';

interface Capabilities {
  hasHalf: boolean;
  units: MatrixUnits | null;
}

/** A GPU that is open, and what became of it. All that goes wrong on it, whenever, is fatal and reaches `check` and `done`. */
export class Gpu {
  readonly device: GPUDevice;
  /** As people know it, for reports. */
  readonly name: string;
  /** The same with all that tells it, and its driver, from others. */
  readonly adapter: string;
  /** Runs on the CPU: what costs little differs. */
  readonly software: boolean;
  readonly hasHalf: boolean;
  /** Null where it has none, or none of a kind that is used here. */
  readonly units: MatrixUnits | null;
  /** Never used again, but whatever Dawn does needs it alive. */
  readonly #instance: GPU;
  #failure: Error | null = null;
  #closed = false;
  readonly #onFailure = new Set<(reason: Error) => void>();

  /**
   * @param precision 'float32' asks Dawn and the driver for nothing that is experimental
   * @param timed to the nanosecond, for `Program.encodeTimed`
   * @throws GpuError if the package or an adapter is missing, saying what to install
   */
  static async open(precision: Precision = 'mixed', { timed = false } = {}): Promise<Gpu> {
    const { instance, adapter } = await findAdapter(precision === 'mixed' ? DAWN_SWITCHES : [], timed ? ['timestamp_quantization'] : []);
    if (timed && !adapter.features.has('timestamp-query'))
      throw new GpuError(nameOf(adapter.info), 'it has no clock (timestamp-query)', 'Measure without a profile');
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    const capabilities = capabilitiesOf(adapter, precision);
    const { hasHalf, units } = capabilities;
    const requiredFeatures = [
      ...(hasHalf ? ['shader-f16'] : []),
      ...(units ? MATRIX_FEATURES : []),
      ...(timed ? ['timestamp-query'] : []),
    ] as GPUFeatureName[];
    const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
    return new Gpu(instance, adapter, device, capabilities);
  }

  private constructor(instance: GPU, adapter: GPUAdapter, device: GPUDevice, { hasHalf, units }: Capabilities) {
    const { info } = adapter;
    this.#instance = instance;
    this.device = device;
    this.name = nameOf(info);
    const { vendor, architecture, device: model, description } = info;
    this.adapter = [vendor, architecture, model, description].filter((part) => part !== '').join(', ');
    this.software = isSoftware(info);
    this.hasHalf = hasHalf;
    this.units = units;
    device.onuncapturederror = ({ error }) =>
      this.#fail(error.message, 'It is a fault of voxfeed, or the GPU ran out of memory: report it');
    device.lost.then(({ reason, message }) => {
      if (!this.#closed)
        this.#fail(`the device was lost (${reason}): ${message}`, 'Look at the logs of the driver, then continue from the last checkpoint');
    });
  }

  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  /** @throws GpuError if anything went wrong on the GPU since it was opened */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Waits for what was submitted, or for the failure that keeps it from ending. @throws GpuError */
  async done(): Promise<void> {
    await this.orFailure(this.device.queue.onSubmittedWorkDone());
    this.check();
  }

  /** What `work` gives, unless the GPU fails meanwhile. @throws GpuError */
  async orFailure<T>(work: Promise<T>): Promise<T> {
    this.check();
    let stop: (reason: Error) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      stop = reject;
    });
    failed.catch(() => {});
    this.#onFailure.add(stop);
    try {
      return await Promise.race([work, failed]);
    } finally {
      this.#onFailure.delete(stop);
    }
  }

  /** Does `work` and throws what the GPU says against it. @param where what was tried, for the message */
  async guarded<T>(where: string, work: () => T): Promise<T> {
    const { device } = this;
    device.pushErrorScope('validation');
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('internal');
    let result: T;
    let thrown: unknown = null;
    try {
      result = work();
    } catch (error) {
      thrown = error;
    }
    const errors = await Promise.all([device.popErrorScope(), device.popErrorScope(), device.popErrorScope()]);
    const [internal, memory, validation] = errors;
    if (memory) throw new GpuError(where, `the GPU has not enough memory (${memory.message})`, 'Take a smaller patch or batch');
    const found = validation ?? internal;
    if (found) throw new GpuError(where, found.message.trim(), 'It is a fault of voxfeed: report it, with the GPU and the plans');
    if (thrown !== null) throw new GpuError(where, String((thrown as Error).message ?? thrown), 'Report it, with the GPU and the plans');
    return result!;
  }

  close(): void {
    this.#closed = true;
    this.device.destroy();
    void this.#instance;
  }

  #fail(what: string, action: string): void {
    this.#failure ??= new GpuError(this.name, what.trim(), action);
    for (const stop of this.#onFailure) stop(this.#failure);
  }
}

/** The adapter that training would take. @throws GpuError if the package or an adapter is missing, saying what to install */
export async function findAdapter(
  switches: readonly string[],
  off: readonly string[] = [],
): Promise<{ instance: GPU; adapter: GPUAdapter }> {
  const instance = loadWebgpu(switches, off);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new GpuError('GPU', 'there is no adapter: WebGPU found neither a GPU nor a software Vulkan', INSTALL_ADAPTER);
  return { instance, adapter };
}

export function nameOf({ description, device, vendor }: GPUAdapterInfo): string {
  return description || device || vendor;
}

export function isSoftware({ isFallbackAdapter, device, description }: GPUAdapterInfo): boolean {
  return isFallbackAdapter || /llvmpipe|swiftshader|lavapipe/i.test(`${device} ${description}`);
}

/** What Dawn says of an adapter besides the standard. */
export interface DawnAdapterInfo extends GPUAdapterInfo {
  subgroupMatrixConfigs?: { componentType: string; resultComponentType: string; M: number; N: number; K: number }[];
}

/** What is used of an adapter in this precision. */
export function capabilitiesOf({ features, info }: GPUAdapter, precision: Precision): Capabilities {
  const offers = (name: string): boolean => features.has(name as GPUFeatureName);
  const hasHalf = precision === 'mixed' && offers('shader-f16');
  return { hasHalf, units: hasHalf && MATRIX_FEATURES.every(offers) ? matrixUnits(info as DawnAdapterInfo) : null };
}

/** The largest units that multiply float16 and sum up in float32, worked by subgroups of one size. */
function matrixUnits({ subgroupMinSize, subgroupMaxSize = 0, subgroupMatrixConfigs = [] }: DawnAdapterInfo): MatrixUnits | null {
  if (subgroupMinSize !== subgroupMaxSize) return null;
  const [best] = subgroupMatrixConfigs
    // Each thread of a subgroup loads one of the terms.
    .filter(({ componentType, resultComponentType, K }) => componentType === 'f16' && resultComponentType === 'f32' && K <= subgroupMaxSize)
    .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  return best === undefined ? null : { rows: best.M, columns: best.N, terms: best.K, subgroup: subgroupMaxSize };
}

/** Dawn, if it is installed: it is large, and only training needs it. */
function loadWebgpu(on: readonly string[], off: readonly string[]): GPU {
  let found: typeof import('webgpu');
  try {
    // Node loads modules of this form with require, too, and needs no top-level await in a worker for it.
    found = createRequire(import.meta.url)('webgpu');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    throw new GpuError(
      'webgpu',
      missing ? 'the package is not installed' : `it cannot be loaded: ${(error as Error).message}`,
      missing ? INSTALL_WEBGPU : 'It has builds for Linux, macOS and Windows on x64 and arm64; on Linux it needs libvulkan.so.1',
      { cause: error },
    );
  }
  Object.assign(globalThis, found.globals);
  const switches = { enable: on, disable: off };
  return found.create(
    Object.entries(switches).flatMap(([what, names]) => (names.length === 0 ? [] : [`${what}-dawn-features=${names.join(',')}`])),
  );
}
