import { describe, it } from 'vitest';
import { oneHot } from '../../src/augmentation/transforms/labels/one-hot.ts';
import { writeRegions } from '../../src/augmentation/transforms/labels/regions.ts';
import { applyTo } from '../augmentation/transforms/apply-to.ts';
import { expectClose, type GoldenCase, has, manifest, readArray } from './golden.ts';

const cases = has('misc/manifest.json') ? manifest('misc') : [];

function each(name: string, compare: (golden: GoldenCase) => void): void {
  const golden = cases.find((one) => one.name === name);
  it.skipIf(!golden)(name, () => compare(golden as GoldenCase));
}

describe('golden cascade and regions', () => {
  each('regions', ({ params, inputs, outputs, tolerance }) => {
    const labels = Int16Array.from(readArray(`misc/${inputs.segmentation}`).data);
    const regions: number[][] = params.regions.map((region: number | number[]) => [region].flat());
    const masks = new Int16Array(regions.length * labels.length);
    writeRegions(labels, regions, masks);
    expectClose(masks, readArray(`misc/${outputs.segmentation}`).data, tolerance.segmentation);
  });

  each('cascade_onehot', ({ params, inputs, outputs, tolerance }) => {
    const given = readArray(`misc/${inputs.image}`);
    const both = readArray(`misc/${inputs.segmentation}`);
    const shape = given.shape.slice(1);
    const count = both.data.length / both.shape[0];
    const labels: number[] = params.all_labels;
    const image = new Float32Array(given.data.length + labels.length * count);
    image.set(given.data);
    const at = params.source_channel_idx * count;
    const made = applyTo(
      oneHot,
      { transform: 'oneHot', labels },
      {},
      {
        shape,
        image,
        target: both.data.slice(0, count),
        previous: both.data.slice(at, at + count),
      },
    );
    expectClose(made.image, readArray(`misc/${outputs.image}`).data, tolerance.image);
    expectClose(made.target, readArray(`misc/${outputs.segmentation}`).data, tolerance.segmentation);
  });
});
