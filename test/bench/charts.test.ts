import { describe, expect, it } from 'vitest';
import { barChart, lineChart, shareChart, ticks } from '../../bench/report/charts.ts';

const attribute = (element: string | undefined, name: string): number => Number(new RegExp(` ${name}="([^"]+)"`).exec(element ?? '')?.[1]);

describe('ticks', () => {
  it('are round, begin at 0 and reach the largest value', () => {
    expect(ticks(2)).toEqual([0, 0.5, 1, 1.5, 2]);
    expect(ticks(97)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(ticks(0.013)).toEqual([0, 0.005, 0.01, 0.015]);
    expect(ticks(0)).toEqual([0, 1]);
  });
});

describe('a line chart', () => {
  const drawn = lineChart({
    title: 'Throughput <over> workers',
    x: 'workers',
    y: 'times',
    lines: [
      {
        name: 'b',
        points: [
          { x: 1, y: 1 },
          { x: 2, y: 2 },
          { x: 4, y: null },
        ],
      },
    ],
  });

  it('places points in proportion, and leaves out what is not to be claimed', () => {
    const circles = drawn.match(/<circle[^>]*>/g) ?? [];
    expect(circles).toHaveLength(2);
    const zero = drawn.match(/<line x1="70"[^>]*>/)?.[0];
    const up = circles.map((circle) => attribute(zero, 'y1') - attribute(circle, 'cy'));
    expect(up[1] / up[0]).toBeCloseTo(2, 2);
    expect((attribute(circles[1], 'cx') - 70) / (attribute(circles[0], 'cx') - 70)).toBeCloseTo(2, 2);
  });

  it('writes names as text', () => {
    expect(drawn).toContain('Throughput &lt;over> workers');
  });
});

describe('a bar chart', () => {
  it('has bars as long as their values within a group, and says what is not reliable', () => {
    const drawn = barChart({
      title: 'Peers',
      about: '',
      groups: [
        {
          name: 'large',
          bars: [
            { name: 'ours', value: 100 },
            { name: 'theirs', value: 25 },
          ],
        },
        {
          name: 'small',
          bars: [
            { name: 'ours', value: 1000 },
            { name: 'theirs', value: null },
          ],
        },
      ],
    });
    const widths = (drawn.match(/<rect x=[^>]*>/g) ?? []).map((rect) => attribute(rect, 'width'));
    expect(widths).toHaveLength(3);
    expect(widths[0] / widths[1]).toBeCloseTo(4, 2);
    expect(widths[2]).toBe(widths[0]);
    expect(drawn.match(/not reliable/g)).toHaveLength(1);
  });
});

describe('a chart of shares', () => {
  it('cuts every bar into parts of the same whole', () => {
    const drawn = shareChart({
      title: 'Stages',
      rows: [
        {
          name: 'b',
          parts: [
            { name: 'warp', value: 3 },
            { name: 'read', value: 1 },
          ],
        },
        {
          name: 'c',
          parts: [
            { name: 'warp', value: 0.2 },
            { name: 'read', value: 0.2 },
          ],
        },
      ],
    });
    const widths = (drawn.match(/<rect x=[^>]*height="24"[^>]*>/g) ?? []).map((rect) => attribute(rect, 'width'));
    expect(widths[0] / widths[1]).toBeCloseTo(3, 1);
    expect(widths[2]).toBe(widths[3]);
    expect(widths[0] + widths[1]).toBeCloseTo(widths[2] + widths[3], 0);
    expect(drawn).toContain('75 %');
  });
});
