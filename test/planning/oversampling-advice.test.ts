import { describe, expect, it } from 'vitest';
import { adviseOversampling } from '../../src/planning/oversampling-advice.ts';
import { readLabels } from '../../src/raw/labels.ts';
import type { Coverage } from '../../src/store/sidecar.ts';

const { classes } = readLabels('', { background: 0, organ: 1, tumour: 2 });

/** What random patches of one case see of organ and tumour. */
const seen = (...parts: number[]): Coverage => ({ patch: [4, 4, 4], any: Math.max(...parts), classes: parts });

const fraction = (part: number): number => adviseOversampling([seen(1, part)], classes).recommended;

describe('the advice', () => {
  it('is the fraction that brings the rarest class into half of all patches', () => {
    for (const part of [0.01, 0.1, 0.2, 0.25, 0.3, 0.4, 0.44]) {
      const forced = fraction(part);
      expect(forced).toBeCloseTo((0.5 - part) / (1 - part), 2);
      // A forced patch holds it, the others as often as chance has it.
      expect(forced + (1 - forced) * part).toBeCloseTo(0.5, 2);
    }
  });

  it("is nnU-Net's own where random patches see a quarter", () => {
    expect(fraction(0.25)).toBe(0.33);
  });

  it('is more where they see less, up to a half', () => {
    expect(fraction(1e-9)).toBe(0.5);
    expect([0.4, 0.3, 0.21, 0.1, 0.01].map(fraction)).toEqual([0.17, 0.29, 0.37, 0.44, 0.49]);
  });

  it('is a tenth at least, where they see half of it and more', () => {
    expect([0.45, 0.5, 0.7, 0.94].map(fraction)).toEqual([0.1, 0.1, 0.1, 0.1]);
  });

  it("is nnU-Net's own where forcing changes nothing", () => {
    expect([0.95, 0.99, 1].map(fraction)).toEqual([0.33, 0.33, 0.33]);
    expect(adviseOversampling([seen(1, 1)], classes).reason).toContain('makes no difference');
  });

  it('goes by the class that is seen least, on average over the cases that hold it', () => {
    const cases = [seen(0.9, 0.1), seen(0.8, 0), seen(0.7, 0.32), seen(0, 0)];
    const advice = adviseOversampling(cases, classes);
    expect(advice.classes).toEqual([
      { name: 'organ', cases: 3, seen: expect.closeTo(0.8, 12) },
      { name: 'tumour', cases: 2, seen: expect.closeTo(0.21, 12) },
    ]);
    expect(advice.any).toBeCloseTo((0.9 + 0.8 + 0.7) / 4, 12);
    expect(advice.recommended).toBe(0.37);
    expect(advice.reason).toMatch(/tumour, the rarest class, in 21\.0 % of draws/);
  });

  it('leaves out a class that no case holds', () => {
    const advice = adviseOversampling([seen(0.3, 0), seen(0.2, 0)], classes);
    expect(advice.recommended).toBe(0.33);
    expect(advice.reason).toContain('organ');
    expect(advice.classes[1]).toEqual({ name: 'tumour', cases: 0, seen: 0 });
  });

  it('leaves out the class of annotated voxels', () => {
    const annotated = readLabels('', { background: 0, organ: 1, ignore: 2 }).classes;
    const advice = adviseOversampling([seen(0.25, 0)], annotated);
    expect(advice.classes).toEqual([{ name: 'organ', cases: 1, seen: 0.25 }]);
    expect(advice.recommended).toBe(0.33);
  });

  it("is nnU-Net's own where there is no foreground, or no case", () => {
    for (const cases of [[seen(0, 0), seen(0, 0)], []])
      expect(adviseOversampling(cases, classes)).toMatchObject({ recommended: 0.33, reason: 'no case holds any foreground', any: 0 });
  });

  it('is always a fraction from a tenth to a half, whatever was measured', () => {
    for (let part = 0.001; part <= 1; part += 0.013) {
      const recommended = fraction(part);
      expect(recommended).toBeGreaterThanOrEqual(0.1);
      expect(recommended).toBeLessThanOrEqual(0.5);
    }
  });
});
