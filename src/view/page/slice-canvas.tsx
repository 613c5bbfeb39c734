import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { drawGrey, drawOutlines, type Slice } from './render.ts';

/** Array axes as people call them. */
export const AXIS_NAMES = ['z', 'y', 'x'] as const;

interface Props {
  slice: Slice;
  window: readonly [number, number];
  /** Of the stored axes: millimetres a voxel. */
  spacing: readonly number[];
  axis: number;
  /** What it shows, for those who cannot see it. */
  label: string;
  /** Drawn over it, in voxels of the slice, right way up: see `overlayBox`. */
  children?: ComponentChildren;
  outlines?: boolean;
  onWheel?: (steps: number) => void;
}

/** The size of a slice in millimetres: [across, down]. */
export function sizeOf({ rows, columns }: Pick<Slice, 'rows' | 'columns'>, spacing: readonly number[], axis: number): [number, number] {
  const [down, across] = [0, 1, 2].filter((other) => other !== axis);
  return [columns * spacing[across], rows * spacing[down]];
}

/** A slice with outlined labels, as wide as there is room. */
export function SliceCanvas({ slice, window: grey, spacing, axis, label, children, outlines = true, onWheel }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latest = useRef<() => void>(() => {});
  const [width, height] = sizeOf(slice, spacing, axis);
  latest.current = () => {
    const element = canvas.current;
    if (element === null || element.clientWidth === 0) return;
    const ratio = globalThis.devicePixelRatio || 1;
    element.width = Math.round(element.clientWidth * ratio);
    element.height = Math.round((element.clientWidth * ratio * height) / width);
    drawGrey(element, slice, grey);
    if (outlines) drawOutlines(element, slice, Math.max(1, 1.4 * ratio));
  };
  useEffect(() => {
    const observer = new ResizeObserver(() => latest.current());
    observer.observe(canvas.current as HTMLCanvasElement);
    return () => observer.disconnect();
  }, []);
  useEffect(() => latest.current(), [slice, grey, width, height, outlines]);
  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (!element || onWheel === undefined) return;
    const onMove = (event: WheelEvent): void => {
      event.preventDefault();
      onWheel(event.deltaY > 0 ? -1 : 1);
    };
    element.addEventListener('wheel', onMove, { passive: false });
    return () => element.removeEventListener('wheel', onMove);
  }, [onWheel]);
  return (
    <div class="slice" style={{ flexGrow: width, flexBasis: 0, aspectRatio: `${width} / ${height}` }}>
      <canvas ref={canvas} role="img" aria-label={label} />
      {children ? (
        // Voxel 0 of the last row is at the bottom: y grows upwards.
        <svg viewBox={`0 0 ${slice.columns} ${slice.rows}`} preserveAspectRatio="none" aria-hidden="true">
          <g transform={`translate(0 ${slice.rows}) scale(1 -1)`}>{children}</g>
        </svg>
      ) : null}
      <span class="axis" aria-hidden="true">
        {AXIS_NAMES[axis]}
      </span>
    </div>
  );
}
