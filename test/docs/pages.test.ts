import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../../src/augmentation/presets.ts';
import { TRANSFORMS } from '../../src/augmentation/transforms/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const headings = (text: string): string[] => [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);

describe('the pages', () => {
  it('say what to do about every error', () => {
    const codes = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((name) =>
      [...page(name).matchAll(/^ {2}static (?:override )?readonly code(?:: string)? = '(\w+)';$/gm)].map(([, code]) => code),
    );
    expect(codes.length).toBeGreaterThan(10);
    expect(headings(page('docs/errors.md')).sort()).toEqual(codes.sort());
  });

  it('have an entry for every transform and name every preset', () => {
    const text = page('docs/augmentation.md');
    expect(headings(text)).toEqual(expect.arrayContaining(Object.keys(TRANSFORMS)));
    expect(PRESETS.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  it('show every transform that changes what is seen', () => {
    const text = page('docs/augmentation.md');
    const unseen = Object.keys(TRANSFORMS).filter((name) => !text.includes(`(pictures/${name}.png)`));
    expect(unseen).toEqual(['mask', 'replaceLabel', 'oneOf', 'oneHot', 'binaryOperators', 'removeComponent', 'custom']);
  });
});
