import { voxels } from '../../common/geometry.ts';
import { Draws } from '../../common/random.ts';
import { type Memory, memory } from '../gpu/memory.ts';

/** One parameter tensor (or its gradient): a stretch of the one memory that holds them all. */
export interface Parameter {
  /** As nnU-Net's network names it. */
  name: string;
  memory: Memory;
  /** In elements. */
  offset: number;
  /** As PyTorch shapes it: 2D kernels have two axes. */
  shape: number[];
  init: Initial;
}

/** Initial values: ones (weights of norms), zeros (biases), or He's for this many inputs that feed one output. */
export type Initial = 'ones' | 'zeros' | { he: number };

/** nnU-Net initialises for leaky ReLU with this slope (`InitWeights_He(1e-2)`). */
const SLOPE = 0.01;
/** What the draws of initial weights are for, far from those of batches. */
const INITIAL = 0x57454947;

/** The parameters of a network, in one memory, and memories of the same layout for gradients and momentum. */
export class Parameters {
  readonly list: Parameter[] = [];
  /** A plan until the network is complete: lengths grow while parameters are added. */
  readonly values: Memory = memory('parameters', 0, { persistent: true });
  readonly gradients: Memory = memory('gradients', 0, { persistent: true });
  readonly momentum: Memory = memory('momentum', 0, { persistent: true });

  add(name: string, shape: number[], init: Initial): Parameter {
    const parameter = { name, memory: this.values, offset: this.values.length, shape, init };
    this.list.push(parameter);
    for (const each of [this.values, this.gradients, this.momentum]) each.length += voxels(shape);
    return parameter;
  }

  /** Leaves as many elements out as it takes that what comes next begins at a multiple: they are 0 and stay so. */
  align(multiple: number): void {
    for (const each of [this.values, this.gradients, this.momentum]) each.length = multiple * Math.ceil(each.length / multiple);
  }

  gradientOf(parameter: Parameter): Parameter {
    return { ...parameter, memory: this.gradients };
  }

  /** Initial values as nnU-Net draws them: He-normal kernels, zero biases, identity norms. A pure function of the seed. */
  initial(seed: number): Float32Array {
    const values = new Float32Array(this.values.length);
    for (const [number, { offset, shape, init }] of this.list.entries()) {
      const part = values.subarray(offset, offset + voxels(shape));
      if (typeof init === 'string') {
        part.fill(init === 'ones' ? 1 : 0);
        continue;
      }
      const deviation = Math.sqrt(2 / (1 + SLOPE ** 2) / init.he);
      const draws = new Draws(seed, number, INITIAL);
      // Box and Muller: two uniform numbers make two normal ones.
      for (let i = 0; i < part.length; i += 2) {
        const radius = deviation * Math.sqrt(-2 * Math.log(1 - draws.uniform()));
        const angle = 2 * Math.PI * draws.uniform();
        part[i] = radius * Math.cos(angle);
        if (i + 1 < part.length) part[i + 1] = radius * Math.sin(angle);
      }
    }
    return values;
  }
}
