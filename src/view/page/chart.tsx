import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

/** A colour of the style sheet, as charts want it. */
export function colourNamed(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export interface Curve {
  label: string;
  /** The name of a colour of the style sheet: "--accent". */
  colour: string;
  values: readonly (number | null)[];
  filled?: boolean;
}

interface ChartProps {
  x: readonly number[];
  curves: readonly Curve[];
  height: number;
  /** What it shows, for those who cannot see it. */
  label: string;
  unit?: string;
  /** The largest value of the axis; default: of the data. */
  top?: number;
  xLabel?: string;
  stepped?: boolean;
}

/** Curves over one axis, by uPlot; drawn anew in the colours of the theme. */
export function Chart({ x, curves, height, label, unit = '', top, xLabel, stepped = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const data = [[...x], ...curves.map(({ values }) => [...values])] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;
  const drawn = curves.map(({ label: name, colour }) => name + colour).join();
  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const make = (): void => {
      chart.current?.destroy();
      const [ink, line] = [colourNamed('--faint'), colourNamed('--line')];
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '11px "Inter Variable"' };
      const stairs = stepped ? { paths: (uPlot.paths.stepped as uPlot.Series.SteppedPathBuilderFactory)({ align: 1 }) } : {};
      chart.current = new uPlot(
        {
          width: element.clientWidth,
          height,
          legend: { show: false },
          cursor: { show: false },
          scales: { x: { time: false }, y: { range: (_, __, most) => [0, top ?? (most > 0 ? most * 1.08 : 1)] } },
          axes: [
            {
              ...axis,
              size: 22,
              ...(xLabel === undefined ? {} : { values: (_: uPlot, splits: number[]) => splits.map((value) => `${value}${xLabel}`) }),
            },
            { ...axis, size: 44, values: (_, splits) => splits.map((value) => `${value}${unit}`) },
          ],
          series: [
            {},
            ...curves.map(({ label: name, colour, filled }) => ({
              label: name,
              stroke: colourNamed(colour),
              width: 1.5,
              points: { show: false },
              ...(filled ? { fill: `${colourNamed(colour)}33` } : {}),
              ...stairs,
            })),
          ],
        },
        latest.current,
        element,
      );
    };
    make();
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const themed = new MutationObserver(make);
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      resized.disconnect();
      themed.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [drawn, height, top, unit, stepped, xLabel]);
  useEffect(() => chart.current?.setData(data), [x, ...curves.map(({ values }) => values)]);
  return <div class="chart" role="img" aria-label={label} ref={place} />;
}

/** How often grey values occur, before and after. */
export function Histogram({
  before,
  after,
  range: [low, high],
  label,
}: {
  before: readonly number[];
  after: readonly number[];
  range: readonly [number, number];
  label: string;
}) {
  const width = (high - low) / before.length;
  const x = before.map((_, i) => low + i * width);
  const share = (values: readonly number[]): number[] => {
    const sum = values.reduce((total, value) => total + value, 0);
    return values.map((value) => (100 * value) / sum);
  };
  const curves = [
    { label: 'before', colour: '--faint', values: share(before), filled: true },
    { label: 'after', colour: '--accent', values: share(after), filled: true },
  ];
  return <Chart x={x} curves={curves} height={150} label={label} unit=" %" stepped />;
}
