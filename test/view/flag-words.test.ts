import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { TableCommand } from '../../src/cli/command.ts';
import { flagWords } from '../../src/loader/options/flag-words.ts';
import { LOADER_OPTIONS } from '../../src/loader/options/table.ts';

/** The options that the command line makes of words, which a shell has taken apart. */
async function readBack(words: readonly string[]): Promise<object> {
  const apart = execFileSync('sh', ['-c', `printf '%s\\0' ${words.join(' ')}`], { encoding: 'utf8' });
  const command = new TableCommand('x').flags(LOADER_OPTIONS).action(() => {});
  await command.parseAsync(apart.split('\0').slice(0, -1), { from: 'user' });
  return command.given(LOADER_OPTIONS);
}

it.each([
  { seed: 7, fold: 0, config: '2d', oversample: 0.5, augmentation: 'da5' },
  { patchSize: [4, 5, 6], batchSize: 3, probabilisticOversampling: 'realised', padMode: 'edge', validation: true, fold: 'all' },
  { oversample: [[0, 0.5], [100, 0.33]], probabilisticOversampling: true, deepSupervision: true, nnunetCompat: true }, // biome-ignore format: short
  { exposure: { "the liver's rim": 0.4, 'a=b': 0.1 }, classWeights: { tumour: 2 }, caseWeights: { case_000: 3 } },
  { configs: [{ config: '3d_fullres', weight: 3 }, { config: '2d', weight: 1 }], previousStage: './low res', rank: 1, worldSize: 2 }, // biome-ignore format: short
  { oversample: 'auto', ranks: 'environment' },
])('writes flags that are read back as they were: %o', async (options) => {
  expect(await readBack(flagWords(options))).toEqual(options);
});

it('leaves out defaults, what changes no batch, and what flags cannot say', () => {
  const speed = { workers: 1, ring: 8, cacheBytes: 0, maxMemoryBytes: 1e9, stallSeconds: 1, poison: true, allowModules: true };
  expect(flagWords({ seed: 0, exposure: null, validation: false, augmentation: [{ transform: 'noise' }], ...speed })).toEqual([]);
});
