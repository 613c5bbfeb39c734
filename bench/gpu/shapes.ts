import type { Network } from '../../src/plans/network.ts';
import type { StepShape } from '../training-step-time.ts';

/** Networks as nnU-Net plans them for one channel, plain and with the residual encoder of ResEnc M; `tiny` ones for a rehearsal on a CPU. */
export function stepShapes(tiny: boolean): Record<string, StepShape> {
  const large = tiny
    ? { features: [4, 8], patchSize: [16, 16, 16], batch: 1 }
    : { features: [32, 64, 128, 256, 320, 320], patchSize: [128, 128, 128], batch: 2 };
  const small = tiny
    ? { features: [4, 8], patchSize: [8, 16, 8], batch: 2 }
    : { features: [32, 64, 128, 256], patchSize: [40, 56, 40], batch: 9 };
  return Object.fromEntries(
    [plain, residual].flatMap((networkOf) =>
      [large, small].map(({ features, patchSize, batch }) => {
        const network = networkOf(features);
        return [`${network.kind} ${patchSize.join('x')}`, { network, patchSize, batch }];
      }),
    ),
  );
}

/** A plain network: two convolutions a stage, each stage half as fine as the one before. */
export function plain(features: number[]): Network {
  const three = (size: number): number[] => [size, size, size];
  return {
    kind: 'plain',
    features,
    strides: features.map((_, stage) => three(stage === 0 ? 1 : 2)),
    kernels: features.map(() => three(3)),
    encoder: features.map(() => 2),
    decoder: features.slice(1).map(() => 2),
  };
}

/** Blocks of each stage: nnU-Net's `ResEncUNetPlanner`. */
const BLOCKS = [1, 3, 4, 6, 6, 6];

function residual(features: number[]): Network {
  return {
    ...plain(features),
    kind: 'residual',
    encoder: features.map((_, stage) => BLOCKS[stage]),
    decoder: features.slice(1).map(() => 1),
  };
}
