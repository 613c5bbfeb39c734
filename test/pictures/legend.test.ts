import { describe, expect, it } from 'vitest';
import { legendOf } from '../../src/pictures/legend.ts';
import { colourOf } from '../../src/pictures/palette.ts';

const classes = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `class ${i + 1}`, labels: [i + 1] }));
const patch = (...labels: number[]) => ({ target: Int16Array.from(labels) });
const named = (legend: ReturnType<typeof legendOf>) => legend.map(({ name }) => name);

describe('a legend', () => {
  it('names all classes where there are few', () => {
    const legend = legendOf(classes(2), [patch(0, 1)]);
    expect(legend).toEqual([1, 2].map((label) => ({ name: `class ${label}`, colour: colourOf(label) })));
  });

  it('begins with those that patches show, and counts those it leaves out', () => {
    const legend = legendOf(classes(40), [patch(-1, 0, 17), patch(17, 3)]);
    expect(named(legend)).toEqual([...[3, 17, 2, 4, 5, 6, 7, 8].map((label) => `class ${label}`), 'and 32 more']);
    expect(legend.slice(0, -1).map(({ colour }) => colour)).toEqual([3, 17, 2, 4, 5, 6, 7, 8].map(colourOf));
  });

  it('says what a colour means once', () => {
    // 1 and 9 have the same.
    expect(named(legendOf(classes(9), [patch(9)]))).toEqual([...[9, 2, 3, 4, 5, 6, 7, 8].map((label) => `class ${label}`), 'and 1 more']);
  });

  it('leaves out regions and the annotated voxels, which have no outline', () => {
    const regions = [
      { name: 'whole', labels: [1, 2] },
      { name: 'core', labels: [2] },
      { name: 'annotated', labels: [-1, 0, 1, 2] },
    ];
    expect(named(legendOf(regions, [patch(1)]))).toEqual(['core']);
  });
});
