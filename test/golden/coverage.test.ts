import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GOLDEN, has } from './golden.ts';

/** What the suites beside this one check. */
const COVERED = [
  'sampling/bbox.json',
  'sampling/oversample.json',
  'sampling/augmentation_parameters.json',
  'sampling/initial_patch_size.json',
  'distribution.json',
  'spatial/manifest.json',
  'intensity/manifest.json',
  'misc/manifest.json',
  'pipeline/manifest.json',
  'planning/feature_map_sizes.json',
  'planning/plans_configuration.json',
  'planning/plans_full.json',
  'planning/topology.json',
  'preprocess/manifest.json',
  'preprocess/class_locations.json',
  'preprocess/shapes.json',
];

function listJson(dir = ''): string[] {
  return readdirSync(join(GOLDEN, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
    if (entry.isDirectory()) return listJson(path);
    return entry.name.endsWith('.json') && entry.name !== 'versions.json' ? [path] : [];
  });
}

for (const path of listJson().filter((file) => !COVERED.includes(file)))
  console.warn(`golden: ${path} is not checked, what it checks is not built yet`);

/** Nothing is left out silently: a file without a suite, or a suite without its file, shows as skipped, with the reason. */
describe(`golden folder ${GOLDEN}`, () => {
  it('holds something this suite covers', () => {
    expect(COVERED.filter(has)).not.toEqual([]);
  });

  for (const path of listJson().filter((file) => !COVERED.includes(file))) {
    it(`${path} is checked`, (context) => context.skip('what it checks is not built yet'));
  }
  for (const path of COVERED.filter((file) => !has(file))) {
    it(`${path} is there`, (context) => context.skip('the folder does not have it'));
  }
});
