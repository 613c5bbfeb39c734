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
  it('is a PNG that grows with the number of samples', async () => {
    const one = decode(await drawContactSheet('title', [sample(false, false)], CLASSES));
    const nine = decode(await drawContactSheet('title', Array(9).fill(sample(false, false)), CLASSES));
    expect(one).toMatchObject({ channels: 4, depth: 8 });
    expect(nine.width * nine.height).toBeGreaterThan(5 * one.width * one.height);
  });

  it('frames forced samples in orange', async () => {
    const [plain, forced] = await Promise.all(
      [false, true].map(async (value) => count(await drawContactSheet('t', [sample(value, true)], CLASSES), ORANGE)),
    );
    // The legend has some, too.
    expect(forced).toBeGreaterThan(plain + 1000);
  });

  it('outlines labels in the colour of their class', async () => {
    const [empty, labelled] = await Promise.all(
      [false, true].map(async (value) => count(await drawContactSheet('t', [sample(false, value)], CLASSES), BLUE)),
    );
    expect(labelled).toBeGreaterThan(empty + 50);
  });

  it('is wide enough for its legend where patches are narrow', async () => {
    const narrow: SheetSample = {
      ...sample(false, true),
      image: new Float32Array(24),
      target: new Int16Array(24),
      shape: [1, 12, 2],
      caption: '',
    };
    const classes = [1, 2, 3].map((label) => ({ name: `a class with the long name number ${label}`, labels: [label] }));
    const { data, channels, width, height } = decode(await drawContactSheet('', [narrow], classes));
    // The last entry has its orange mark, and its words to the last letter: nothing is in the margin behind.
    const paper = [24, 26, 30];
    const isInk = (x: number): boolean =>
      Array.from({ length: height }, (_, y) => channels * (y * width + x)).some((at) => paper.some((value, c) => data[at + c] !== value));
    const last = Array.from({ length: width }, (_, x) => x).findLast(isInk) as number;
    expect(last).toBeLessThan(width - 20);
    expect(last).toBeGreaterThan(width / 2);
  });

  it('is the same picture on every machine, in letters that are really drawn', async () => {
    const [empty, written] = [
      decode(await drawContactSheet('', [sample(false, false)], CLASSES)),
      decode(await drawContactSheet('Wide', [sample(false, false)], CLASSES)),
    ];
    expect([written.width, written.height]).toEqual([empty.width, empty.height]);
    const differing = [...written.data].filter((value, i) => value !== empty.data[i]);
    // Four letters of some 20 by 20 pixels, their edges in shades.
    expect(differing.length).toBeGreaterThan(500);
    expect(new Set(differing).size).toBeGreaterThan(20);
  });

  it('draws 2D patches, constant patches and characters it has no letter for', async () => {
    const flat: SheetSample = {
      image: new Float32Array(64).fill(3),
      target: new Int16Array(64).fill(-1),
      shape: [1, 8, 8],
      caption: 'Fuß ☂ <&> \u0000\u001b\uD800',
      forced: true,
    };
    expect(decode(await drawContactSheet('é', [flat], CLASSES)).width).toBeGreaterThan(100);
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
