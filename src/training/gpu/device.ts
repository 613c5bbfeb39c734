import { createRequire } from 'node:module';
import { GpuError } from '../../common/errors.ts';

/** What of a device the trainer asks for by name: WebGPU's defaults are far below what networks need. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage',
] as const;

/** Dawn's switches, which it does not complain about if it does not know them. It hides float16 on NVIDIA without this one. */
export const DAWN_SWITCHES = ['vulkan_enable_f16_on_nvidia'];

export const INSTALL_WEBGPU = 'Install it beside voxfeed: npm install webgpu';
export const INSTALL_ADAPTER =
  'Install the driver of your GPU with Vulkan (Linux), or a software Vulkan to train on the CPU: mesa-vulkan-drivers 23 or newer ' +
  '(Debian 12: apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1)';

/** A GPU that is open, and what became of it. All that goes wrong on it, whenever, is fatal and reaches `check` and `done`. */
export class Gpu {
  readonly device: GPUDevice;
  /** As people know it, for reports. */
  readonly name: string;
  /** Runs on the CPU: what costs little differs. */
  readonly software: boolean;
  readonly hasHalf: boolean;
  readonly #adapter: GPUAdapter;
  /** Never used again, but whatever Dawn does needs it alive. */
  readonly #instance: GPU;
  #failure: Error | null = null;
  #closed = false;
  readonly #onFailure = new Set<(reason: Error) => void>();

  /** @throws GpuError if the package or an adapter is missing, saying what to install */
  static async open(): Promise<Gpu> {
    const gpu = loadWebgpu();
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null)
      throw new GpuError('GPU', 'there is no adapter: WebGPU found neither a GPU nor a software Vulkan', INSTALL_ADAPTER);
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    const hasHalf = adapter.features.has('shader-f16');
    const requiredFeatures: GPUFeatureName[] = hasHalf ? ['shader-f16'] : [];
    return new Gpu(gpu, adapter, await adapter.requestDevice({ requiredLimits, requiredFeatures }), hasHalf);
  }

  private constructor(instance: GPU, adapter: GPUAdapter, device: GPUDevice, hasHalf: boolean) {
    const { info } = adapter;
    this.#instance = instance;
    this.#adapter = adapter;
    this.device = device;
    this.name = info.description || info.device || info.vendor;
    this.software = info.isFallbackAdapter || /llvmpipe|swiftshader|lavapipe/i.test(`${info.device} ${info.description}`);
    this.hasHalf = hasHalf;
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

  /** Whether the adapter offers a feature. */
  offers(feature: string): boolean {
    return this.#adapter.features.has(feature as GPUFeatureName);
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

/** Dawn, if it is installed: it is large, and only training needs it. */
function loadWebgpu(): GPU {
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
  return found.create([`enable-dawn-features=${DAWN_SWITCHES.join(',')}`]);
}
