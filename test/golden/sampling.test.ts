import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { allowedPadding, boxAround, randomBox, startRange } from '../../src/common/patch-box.ts';
import { Draws, PURPOSE } from '../../src/common/random.ts';
import { chooseClass } from '../../src/sampling/class-choice.ts';
import { isLastPart } from '../../src/sampling/oversampling.ts';
import { has, readJson } from './golden.ts';

/** A 2D patch is one slice thick. */
const inThree = (sizes: number[]): Triple => (sizes.length === 2 ? [1, ...sizes] : sizes) as Triple;

describe.skipIf(!has('sampling/bbox.json'))('golden boxes', () => {
  for (const golden of has('sampling/bbox.json') ? readJson('sampling/bbox.json').cases : []) {
    const { data_shape, patch_size, final_patch_size, pad_sides } = golden;
    it(`volume ${data_shape}, patch ${patch_size}, final ${final_patch_size}, extra padding ${pad_sides}`, () => {
      const read = inThree(patch_size);
      const extra = pad_sides === null ? {} : { extraPadding: (pad_sides.length === 2 ? [0, ...pad_sides] : pad_sides) as Triple };
      const sizes = { read, final: inThree(final_patch_size), ...extra };
      const range = startRange(data_shape, sizes);
      expect(allowedPadding(sizes)).toEqual(golden.need_to_pad);
      expect(range.lowest).toEqual(golden.random_start_min);
      expect(range.highest).toEqual(golden.random_start_max_inclusive);
      for (const { voxel, lbs, ubs } of golden.forced) expect(boxAround(voxel, range, read)).toEqual({ lower: lbs, upper: ubs });
      for (let sample = 0; sample < 50; sample++) {
        const { lower } = randomBox(range, read, new Draws(1, sample, PURPOSE.box));
        lower.forEach((start, axis) => {
          expect(start).toBeGreaterThanOrEqual(golden.random_start_min[axis]);
          expect(start).toBeLessThanOrEqual(golden.random_start_max_inclusive[axis]);
        });
      }
    });
  }
});

describe.skipIf(!has('sampling/bbox.json'))('golden class choice', () => {
  for (const golden of has('sampling/bbox.json') ? readJson('sampling/bbox.json').class_selection : []) {
    it(golden.name, () => {
      const keys = Object.keys(golden.locations_per_class);
      const classes = keys.map((name) => ({ name, labels: (name.match(/-?\d+/g) as string[]).map(Number) }));
      const counts: number[] = Object.values(golden.locations_per_class);
      const found: Record<string, number> = {};
      let random = 0;
      for (let sample = 0; sample < golden.draws; sample++) {
        const chosen = chooseClass(golden.force_fg, classes, counts, new Draws(3, sample, PURPOSE.class));
        if (chosen === null) random++;
        else found[keys[chosen]] = (found[keys[chosen]] ?? 0) + 1;
      }
      expect(random).toBe(golden.random_boxes);
      const expected: Record<string, number> = golden.boxes_centred_on_class;
      expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
      // Both sides are draws: the difference of two counts has twice the variance of one.
      for (const [name, count] of Object.entries(expected)) {
        const sigma = Math.sqrt(2 * count * (1 - count / golden.draws));
        expect(Math.abs(found[name] - count), name).toBeLessThanOrEqual(5 * sigma);
      }
    });
  }
});

describe.skipIf(!has('sampling/oversample.json'))('golden oversampling', () => {
  for (const golden of has('sampling/oversample.json') ? readJson('sampling/oversample.json').cases : []) {
    const { batch_size, oversample_foreground_percent, forced, n_forced } = golden;
    it(`batch ${batch_size}, fraction ${oversample_foreground_percent}`, () => {
      const actual = Array.from({ length: batch_size }, (_, position) =>
        isLastPart(batch_size, oversample_foreground_percent, position) ? 1 : 0,
      );
      expect(actual).toEqual(forced.map(Number));
      expect(actual.filter(Boolean).length).toBe(n_forced);
    });
  }
});
