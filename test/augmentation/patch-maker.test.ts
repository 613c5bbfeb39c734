import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { affineMatrix } from '../../src/augmentation/affine.ts';
import { cropOf } from '../../src/augmentation/crop-size.ts';
import { drawOperations, type Pipeline, readingBox } from '../../src/augmentation/pipeline.ts';
import { presetSteps } from '../../src/augmentation/presets.ts';
import { completeSteps } from '../../src/augmentation/steps.ts';
import type { Step } from '../../src/augmentation/transform.ts';
import type { PipelineStep } from '../../src/augmentation/transforms/index.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import { AXES, type Axis, type Box, patchOf, type Triple, triple, voxels } from '../../src/common/geometry.ts';
import { Draws } from '../../src/common/random.ts';
import { makePatch } from '../fixtures/patch-maker.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPE: Triple = [21, 34, 27];
const draws = new Draws(3, 1, 4);
const image = Float32Array.from({ length: voxels(SHAPE) }, () => 2 * draws.uniform() - 1);
const labels = Int8Array.from(image, (_, i) => ((Math.floor(i / 40) * 7) % 4) - 1);

interface Kind {
  patchSize: number[];
  steps: Step[];
}

const KINDS: Record<string, Kind> = {
  '3D': { patchSize: [12, 14, 13], steps: presetSteps('default', { patchSize: [12, 14, 13] }) },
  '2D': { patchSize: [16, 15], steps: presetSteps('default', { patchSize: [16, 15] }) },
  'slice by slice': { patchSize: [4, 16, 15], steps: presetSteps('default', { patchSize: [4, 16, 15] }) },
};

function pipelineOf({ patchSize, steps: given }: Kind): Pipeline {
  const steps = completeSteps(given);
  const axes: Axis[] = patchSize.length === 2 ? [1, 2] : [0, 1, 2];
  return { steps, patch: { channels: 1, shape: patchOf(patchSize), axes }, crop: cropOf(patchSize, steps), wholeCrop: false };
}

/** Drawn parameters by step, for sample number `sample`, and a crop that hangs over the volume now and then. */
function planned(kind: Kind, sample: number): { drawn: Record<number, unknown>; crop: Box; box: Box } {
  const pipeline = pipelineOf(kind);
  const operations = drawOperations(pipeline, 9, sample);
  const at = new Draws(10, sample, 0);
  const lower = triple((axis) => at.between(-2, Math.max(0, SHAPE[axis] - pipeline.crop[axis]) + 2));
  const crop = { lower, upper: triple((axis) => lower[axis] + pipeline.crop[axis]) };
  const drawn = Object.fromEntries(operations.map(({ step, parameters }) => [step, parameters]));
  return { drawn, crop, box: readingBox(pipeline, crop, operations) };
}

describe.each(Object.keys(KINDS))('%s patches', (name) => {
  const kind = KINDS[name];

  it('touch nothing outside of what their plan says is read', () => {
    let small = 0;
    for (let sample = 0; sample < 60; sample++) {
      const { drawn, crop, box } = planned(kind, sample);
      const inside = (i: number): boolean => {
        const at = [Math.floor(i / (SHAPE[1] * SHAPE[2])), Math.floor(i / SHAPE[2]) % SHAPE[1], i % SHAPE[2]];
        return at.every((position, axis) => position >= box.lower[axis] && position < box.upper[axis]);
      };
      const only = image.map((value, i) => (inside(i) ? value : Number.NaN));
      const made = makePatch({ image: only, labels, shape: SHAPE, ...kind, drawn, crop });
      expect(made.image.every(Number.isFinite), `sample ${sample}`).toBe(true);
      expect(made).toEqual(makePatch({ image, labels, shape: SHAPE, ...kind, drawn, crop }));
      if (voxels(triple((axis) => box.upper[axis] - box.lower[axis])) <= voxels(kind.patchSize)) small++;
    }
    // Most are neither rotated nor scaled.
    expect(small).toBeGreaterThan(25);
  });

  it('are the same whether they are mirrored while they are read or when it is the step’s turn', () => {
    // Nothing is drawn for it, but mirroring must not be done before it.
    const steps = kind.steps.toSpliced(-2, 0, { transform: 'rotateQuarters' });
    let mirrored = 0;
    for (let sample = 0; sample < 40; sample++) {
      const { drawn, crop } = planned(kind, sample);
      const late = Object.fromEntries(
        Object.entries(drawn).map(([step, parameters]) => [Number(step) >= kind.steps.length - 2 ? Number(step) + 1 : step, parameters]),
      );
      const early = makePatch({ image, labels, shape: SHAPE, ...kind, drawn, crop });
      const turned = makePatch({ image, labels, shape: SHAPE, patchSize: kind.patchSize, steps, drawn: late, crop });
      if (kind.steps.findIndex(({ transform }) => transform === 'mirror') in drawn) mirrored++;
      // Noise falls on voxels in the order in which they lie.
      if (kind.steps.findIndex(({ transform }) => transform === 'noise') in drawn) continue;
      let off = 0;
      for (const [i, value] of early.image.entries()) off = Math.max(off, Math.abs(value - turned.image[i]));
      expect(off, `sample ${sample}`).toBeLessThan(2e-4);
      const wrong = early.targets[0].filter((label, i) => label !== turned.targets[0][i]).length;
      expect(wrong / early.targets[0].length).toBeLessThan(0.002);
    }
    expect(mirrored).toBeGreaterThan(20);
  });
});

it.each(['border', 'reflection'] as const)('a patch that reaches beyond its crop has the %s that its step asks for', (padding) => {
  const patchSize: Triple = [20, 30, 26];
  const parameters = { angles: [0.3, 0.2, 0.4], scales: [1.3, 1.3, 1.3] };
  const placement = { source: SHAPE, patch: patchSize, axes: AXES, matrix: affineMatrix(parameters.angles, parameters.scales, AXES) };
  const [expected, expectedLabels] = [new Float32Array(voxels(patchSize)), new Int16Array(voxels(patchSize))];
  warpImage(image, placement, { padding }, expected);
  warpLabels(Int16Array.from(labels), placement, { padding }, expectedLabels);
  const make = (step: object) =>
    makePatch({ image, labels, shape: SHAPE, patchSize, steps: [{ transform: 'spatial', ...step }], drawn: { 0: parameters } });
  const made = make({ padding, labelPadding: padding });
  expect(made.image).toEqual(expected);
  expect(made.targets[0]).toEqual(expectedLabels);
  // Each of the two goes by its own option.
  const plain = make({});
  expect(make({ padding }).targets).toEqual(plain.targets);
  expect(make({ labelPadding: padding }).image).toEqual(plain.image);
  expect(plain.image).not.toEqual(expected);
});

it('foreground is what the target holds in the end, also after a transform of the user, chosen or not', async () => {
  const { loadCustomSteps } = await import('../../src/augmentation/options.ts');
  const source = 'export default { apply: ({ target }, _, { label }) => void target.fill(label) };';
  const module = join(temporaryFolder(), 'labels.mjs');
  writeFileSync(module, source);
  const applied = { drawn: {} };
  for (const [label, chosen] of [
    [0, false],
    [3, false],
    [0, true],
    [3, true],
  ] as const) {
    const custom: PipelineStep = { transform: 'custom', module, options: { label } };
    const steps: PipelineStep[] = [chosen ? { transform: 'oneOf', of: [{ transform: 'noise' }, custom] } : custom];
    await loadCustomSteps(steps);
    const made = makePatch({
      image,
      labels,
      shape: SHAPE,
      patchSize: [8, 8, 8],
      steps,
      drawn: { 0: chosen ? { choice: 1, parameters: applied } : applied },
      crop: { lower: [0, 0, 0], upper: [8, 8, 8] },
    });
    expect(made.foreground).toBe(label > 0);
  }
});
