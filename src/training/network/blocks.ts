import type { Triple } from '../../common/geometry.ts';
import type { Maps } from '../gpu/memory.ts';
import { type Layers, ONES } from './layers.ts';

/** What a block makes of its input. */
export interface Block {
  features: number;
  kernel: Triple;
  stride: Triple;
  /** Where the result goes; null: maps of its own. */
  into: Maps | null;
}

/** Convolution, instance norm, leaky ReLU (`ConvDropoutNormReLU`). */
export function plainBlock(layers: Layers, name: string, input: Maps, { features, kernel, stride, into }: Block): Maps {
  const raw = layers.convolution(`${name}.conv`, input, features, { kernel, stride, bias: 'idle' });
  return layers.norm(`${name}.norm`, raw, { into });
}

/**
 * Two convolutions with norms, added to what goes by them (`BasicBlockD`, after ResNet-D): the input itself; its means where the block
 * has a stride; those projected by a 1x1x1 convolution with a norm where it changes the number of channels. The last norm begins at 0,
 * so that at first a block passes on what it gets (`init_last_bn_before_add_to_0`).
 */
export function residualBlock(layers: Layers, name: string, input: Maps, { features, kernel, stride, into }: Block): Maps {
  const inner = plainBlock(layers, `${name}.conv1`, input, { features, kernel, stride, into: null });
  const raw = layers.convolution(`${name}.conv2.conv`, inner, features, { kernel, bias: 'idle' });
  const strided = stride.some((step) => step !== 1);
  let residual = strided ? layers.meanPool(`${name}.skip.0`, input, stride) : input;
  if (input.channels !== features) {
    const projection = `${name}.skip.${strided ? 1 : 0}`;
    const projected = layers.convolution(`${projection}.conv`, residual, features, { kernel: ONES, bias: 'none' });
    residual = layers.norm(`${projection}.norm`, projected, { activation: false });
  }
  return layers.norm(`${name}.conv2.norm`, raw, { residual, into, weight: 'zeros' });
}
