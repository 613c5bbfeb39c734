import { capabilitiesOf, DAWN_SWITCHES, type DawnAdapterInfo, findAdapter, isSoftware, LIMITS, nameOf } from './device.ts';
import type { Precision } from './precision.ts';

/** What the GPU that training would take offers, with its driver: for people who ask why it is as it is, and for reports of faults. */
export interface AdapterReport {
  /** With the driver's version, as far as that tells it. */
  name: string;
  vendor: string;
  architecture: string;
  device: string;
  software: boolean;
  /** Switches of Dawn that it was asked with. */
  switches: readonly string[];
  features: string[];
  limits: Record<string, number>;
  /** The fewest and the most threads of a subgroup; 0 where it does not say. */
  subgroups: [fewest: number, most: number];
  /** Products of matrix units: 'f16 -> f32 16x16x16'. */
  matrixConfigs: string[];
  /** What `train` does by itself. */
  precision: Precision;
}

/** @throws GpuError without package or adapter */
export async function adapterReport(): Promise<AdapterReport> {
  const { adapter } = await findAdapter(DAWN_SWITCHES);
  const info = adapter.info as DawnAdapterInfo;
  const { vendor, architecture, device, subgroupMinSize = 0, subgroupMaxSize = 0, subgroupMatrixConfigs = [] } = info;
  return {
    name: nameOf(info),
    vendor,
    architecture,
    device,
    software: isSoftware(info),
    switches: DAWN_SWITCHES,
    features: [...adapter.features].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name] as number])),
    subgroups: [subgroupMinSize, subgroupMaxSize],
    matrixConfigs: subgroupMatrixConfigs.map(
      ({ componentType, resultComponentType, M, N, K }) => `${componentType} -> ${resultComponentType} ${M}x${N}x${K}`,
    ),
    precision: capabilitiesOf(adapter, 'mixed').units === null ? 'float32' : 'mixed',
  };
}
