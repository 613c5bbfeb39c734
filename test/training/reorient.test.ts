import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readNifti } from '../../src/formats/nifti.ts';
import { encodeNifti } from '../../src/formats/nifti-writer.ts';
import { type Turn, turnAffine, turnVolume } from '../../src/raw/reorient.ts';
import { Predictor } from '../../src/training/prediction/predictor.ts';
import { commandLine } from '../fixtures/command-line.ts';
import { EXAMPLES } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { tinyStore } from './tiny-training.ts';

const dir = temporaryFolder();
const IMAGE = join(EXAMPLES, 'imagesTr/hippocampus_001_0000.nii.gz');
/** Another order of axes, two of them the other way: what is in the same places of the world. */
const TURN: Turn = { from: [2, 0, 1], flip: [true, false, true] };

it('a network whose reader reorients labels an image the same however it lies in its file', async () => {
  await tinyStore(dir);
  const model = join(dir, 'model');
  const sizes = ['--iterations', '3', '--val-iterations', '1', '--workers', '1', '--epochs', '1', '--fold', '0'];
  expect(await commandLine(dir)('train', join(dir, 'store'), ...sizes, '--out', model)).toMatchObject({ status: 0 });
  const plans = JSON.parse(readFileSync(join(model, 'plans.json'), 'utf8'));
  writeFileSync(join(model, 'plans.json'), JSON.stringify({ ...plans, image_reader_writer: 'NibabelIOWithReorient' }));
  const { data, shape, affine } = await readNifti(IMAGE, 'nibabel');
  const turned = join(dir, 'turned_0000.nii.gz');
  writeFileSync(turned, encodeNifti(turnVolume(data, shape, TURN), [shape[2], shape[0], shape[1]], turnAffine(affine, shape, TURN)));

  using predictor = await Predictor.open(model);
  expect(predictor.reader).toBe('NibabelIOWithReorient');
  const labels = await predictor.predict([IMAGE], { disableTta: true });
  const found = await predictor.predict([turned], { disableTta: true });
  expect(new Set(labels).size).toBeGreaterThan(1);
  expect(found).toEqual(turnVolume(labels, shape, TURN));
});
