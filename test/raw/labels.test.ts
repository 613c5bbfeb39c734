import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../src/common/errors.ts';
import { isAnnotated, readLabels } from '../../src/raw/labels.ts';

const read = (json: unknown) => readLabels('dataset.json', json);

describe('plain labels', () => {
  it('become one class each, ascending by value, without the background', () => {
    expect(read({ background: 0, tumour: 3, liver: 1, kidney: 2 })).toEqual({
      values: [0, 1, 2, 3],
      ignore: null,
      classes: [
        { name: 'liver', labels: [1] },
        { name: 'kidney', labels: [2] },
        { name: 'tumour', labels: [3] },
      ],
    });
  });

  it('need not follow each other', () => {
    expect(read({ background: 0, a: 200, b: 7 }).values).toEqual([0, 7, 200]);
  });

  it('have the background in their values even where it is not named', () => {
    expect(read({ organ: 1 }).values).toEqual([0, 1]);
  });

  it('may be written as lists of one', () => {
    expect(read({ background: 0, b: [2], a: [1] }).classes).toEqual([
      { name: 'a', labels: [1] },
      { name: 'b', labels: [2] },
    ]);
  });
});

describe('regions', () => {
  it('keep the order of dataset.json, of the regions and of the labels in them', () => {
    const { values, classes } = read({ background: 0, whole: [2, 1, 3], core: [3, 2], enhancing: 3 });
    expect(values).toEqual([0, 1, 2, 3]);
    expect(classes).toEqual([
      { name: 'whole', labels: [2, 1, 3] },
      { name: 'core', labels: [3, 2] },
      { name: 'enhancing', labels: [3] },
    ]);
  });

  it('may hold a label that another name has too', () => {
    expect(read({ background: 0, a: [1, 2], b: 1, c: 1 }).classes).toHaveLength(3);
  });
});

describe('the ignore label', () => {
  it('is no class and no value; the annotated voxels come last under all other values', () => {
    const { values, ignore, classes } = read({ background: 0, ignore: 3, b: 2, a: 1 });
    expect(values).toEqual([0, 1, 2]);
    expect(ignore).toBe(3);
    expect(classes.map(({ labels }) => labels)).toEqual([[1], [2], [-1, 0, 1, 2]]);
    expect(classes.map(isAnnotated)).toEqual([false, false, true]);
  });

  it('goes together with regions', () => {
    const { classes } = read({ background: 0, whole: [1, 2], core: 2, ignore: 3 });
    expect(classes.map(({ labels }) => labels)).toEqual([[1, 2], [2], [-1, 0, 1, 2]]);
  });

  it.each([
    ['is another label too', 1],
    ['is the background', 0],
    ['leaves a gap after the highest label', 3],
    ['is a list', [3]],
    ['is a fraction', 2.5],
    ['is negative', -1],
    ['is null', null],
  ])('is refused where it %s', (_, ignore) => {
    expect(() => read({ background: 0, a: 1, ignore })).toThrow(DatasetError);
    expect(() => read({ background: 0, a: 1, ignore })).toThrow(`the ignore label ${JSON.stringify(ignore)}`);
  });
});

describe('labels that cannot be used', () => {
  it.each([
    ['a string', '1'],
    ['a fraction', 1.5],
    ['negative', -1],
    ['past int16', 32768],
    ['null', null],
    ['an empty list', []],
    ['a list with a string', [1, '2']],
    ['an object', {}],
  ])('are named: %s', (_, value) => {
    expect(() => read({ background: 0, organ: value })).toThrow(DatasetError);
    expect(() => read({ background: 0, organ: value })).toThrow(`label "organ" is ${JSON.stringify(value)}`);
  });

  it.each([['a list', [0, 1]] as const, ['null', null] as const, ['a string', 'organ'] as const, ['missing', undefined] as const])(
    'are refused as a whole: %s',
    (_, json) => {
      expect(() => read(json)).toThrow('dataset.json: "labels" is not an object');
    },
  );

  it('are refused where nothing but background is named', () => {
    expect(() => read({ background: 0 })).toThrow('no foreground label');
    expect(() => read({})).toThrow('no foreground label');
    expect(() => read({ background: 0, ignore: 1 })).toThrow('no foreground label');
  });

  it('are refused where one value has two names', () => {
    expect(() => read({ background: 0, a: 1, b: 2, c: 1 })).toThrow('label 1 has two names');
  });

  it('may go up to the largest int16', () => {
    expect(read({ background: 0, a: 32767 }).values).toEqual([0, 32767]);
  });
});
