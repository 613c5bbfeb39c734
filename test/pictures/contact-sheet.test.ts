import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { drawContactSheet, type SheetSample, sheetSamples } from '../../src/pictures/contact-sheet.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const CLASSES = [
  { name: 'one', labels: [1] },
  { name: 'two', labels: [2] },
];
const ORANGE = [255, 158, 44];
const BLUE = [86, 204, 255];

function sample(forced: boolean, labelled: boolean): SheetSample {
  const image = Float32Array.from({ length: 512 }, (_, i) => i);
  const target = Int16Array.from({ length: 512 }, (_, i) => (labelled && i >= 200 && i < 260 ? 1 : 0));
  return { image, target, shape: [8, 8, 8], caption: 'case_1: random', forced };
}

function count(png: Uint8Array, colour: number[]): number {
  const { data, channels } = decode(png);
  let found = 0;
  for (let i = 0; i < data.length; i += channels) if (colour.every((value, c) => data[i + c] === value)) found++;
  return found;
}

describe('a contact sheet', () => {
  it('is a PNG that grows with the number of samples', () => {
    const one = decode(drawContactSheet('title', [sample(false, false)], CLASSES));
    const nine = decode(drawContactSheet('title', Array(9).fill(sample(false, false)), CLASSES));
    expect(one).toMatchObject({ channels: 3, depth: 8 });
    expect(nine.width * nine.height).toBeGreaterThan(5 * one.width * one.height);
  });

  it('frames forced samples in orange', () => {
    const [plain, forced] = [false, true].map((value) => count(drawContactSheet('t', [sample(value, true)], CLASSES), ORANGE));
    // The legend has some, too.
    expect(forced).toBeGreaterThan(plain + 1000);
  });

  it('outlines labels in the colour of their class', () => {
    const [empty, labelled] = [false, true].map((value) => count(drawContactSheet('t', [sample(false, value)], CLASSES), BLUE));
    expect(labelled).toBeGreaterThan(empty + 50);
  });

  it('is wide enough for its legend where patches are narrow', () => {
    const narrow: SheetSample = {
      ...sample(false, true),
      image: new Float32Array(24),
      target: new Int16Array(24),
      shape: [1, 12, 2],
      caption: '',
    };
    const classes = [1, 2, 3].map((label) => ({ name: `a class with the long name number ${label}`, labels: [label] }));
    const { data, channels, width } = decode(drawContactSheet('', [narrow], classes));
    // The last entry has its orange patch, and its words to the last letter: ink in the column of its D, and a margin behind.
    const inkAt = (x: number): boolean => Array.from({ length: 40 }, (_, y) => data[channels * (y * width + x)]).some((red) => red === 214);
    expect(count(drawContactSheet('', [narrow], classes), ORANGE)).toBe(49);
    expect([width - 20, width - 14].map(inkAt)).toEqual([true, false]);
  });

  it('draws 2D patches, constant patches and characters it has no letter for', () => {
    const flat: SheetSample = {
      image: new Float32Array(64).fill(3),
      target: new Int16Array(64).fill(-1),
      shape: [1, 8, 8],
      caption: 'Fuß ☂',
      forced: true,
    };
    expect(decode(drawContactSheet('é', [flat], CLASSES)).width).toBeGreaterThan(100);
  });

  it('outlines the regions of each sample, whatever type their masks have', async () => {
    const labels = { background: 0, whole: [1, 2], core: 2 };
    const store = await makeStore(join(temporaryFolder(), 'store'), {
      shapes: [[12, 12, 12]],
      labels,
      label: (_, z) => (z < 4 ? 2 : z < 8 ? 1 : 0),
    });
    for (const targetType of ['int16', 'bool'] as const) {
      const options = { store, patchSize: [12, 6, 5], batchSize: 3, regions: true, targetType, workers: 1 };
      await using loader = await PatchLoader.create(options);
      using batch = await loader.next();
      for (const [slot, { target }] of sheetSamples(batch, store.classes).entries()) {
        const { lower } = batch.plans[slot].crop;
        const expected = Int16Array.from({ length: 360 }, (_, i) => {
          const z = lower[0] + Math.floor(i / 30);
          return z < 0 || z >= 8 ? 0 : z < 4 ? 2 : 1;
        });
        // Beyond the volume there are no regions.
        const inside = (i: number): boolean =>
          [Math.floor(i / 5) % 6, i % 5].every((at, axis) => at + lower[axis + 1] >= 0 && at + lower[axis + 1] < 12);
        expect([...target]).toEqual([...expected].map((label, i) => (inside(i) ? label : 0)));
      }
    }
  });
});
