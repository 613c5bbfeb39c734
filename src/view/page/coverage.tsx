import { useMemo } from 'preact/hooks';
import type { PlannedFacts } from '../facts.ts';
import { FailureNote } from './controls.tsx';
import { SliceCanvas, sizeOf } from './slice-canvas.tsx';
import { useAsked } from './state.ts';
import { askVolume, cut } from './volume.ts';

/** A colour map from few to many that keeps its order for everybody (cividis, in seven steps). */
const CIVIDIS = [
  [0, 34, 78],
  [38, 63, 112],
  [87, 93, 109],
  [124, 123, 120],
  [166, 156, 117],
  [212, 193, 100],
  [254, 232, 56],
];
/** Centres that would hide what they lie on. */
const MANY = 200;
/** Numbers of a box: see `planPatches`. */
const FIELDS = 5;

interface Props {
  caseNumber: number;
  channel: number;
  planned: PlannedFacts;
  boxes: Int32Array;
}

/** Where the planned patches of a case fall: how many cover each place, and where their centres are. */
export function Coverage({ caseNumber, channel, planned, boxes }: Props) {
  const { data: volume, failure } = useAsked(`${caseNumber} ${channel}`, () => askVolume(caseNumber, channel));
  const own = useMemo(() => boxesOf(boxes, caseNumber), [boxes, caseNumber]);
  if (volume === null) return <FailureNote failure={failure} />;
  const { shape, step, spacing, window: grey, id } = volume.facts;
  const region = { lower: [0, 0, 0], upper: shape };
  const sizes = [0, 1, 2].map((axis) => sizeOf(cut(volume, axis, 0, region), spacing, axis));
  const ratio = sizes.reduce((sum, [width]) => sum + width, 0) / Math.max(...sizes.map(([, height]) => height));
  return (
    <div class="planes" style={{ maxWidth: `calc(24vh * ${ratio.toFixed(3)})` }}>
      {[0, 1, 2].map((axis) => {
        const [down, across] = [0, 1, 2].filter((other) => other !== axis);
        const slice = cut(volume, axis, Math.floor(shape[axis] / 2), region);
        const counts = cover(own, planned.patch, slice.rows, slice.columns, down, across, step);
        const centres = own.map(({ lower, forced }) => ({
          forced,
          x: (lower[across] + planned.patch[across] / 2) / step,
          y: (lower[down] + planned.patch[down] / 2) / step,
        }));
        const dots = (forced: boolean): string =>
          centres.flatMap((centre) => (centre.forced === forced ? [`M${centre.x} ${centre.y}h0`] : [])).join('');
        return (
          <SliceCanvas
            key={axis}
            slice={slice}
            window={grey}
            spacing={spacing}
            axis={axis}
            outlines={false}
            label={`Patches that cover ${id}, seen along axis ${axis}`}
          >
            <image
              href={heat(counts, slice.rows, slice.columns)}
              width={slice.columns}
              height={slice.rows}
              preserveAspectRatio="none"
              opacity={0.5}
            />
            <g class={own.length > MANY ? 'centres many' : 'centres'}>
              <path class="centre" d={dots(false)} />
              <path class="centre forced" d={dots(true)} />
            </g>
          </SliceCanvas>
        );
      })}
    </div>
  );
}

function boxesOf(boxes: Int32Array, caseNumber: number): { forced: boolean; lower: number[] }[] {
  return Array.from({ length: boxes.length / FIELDS }, (_, i) => [...boxes.subarray(FIELDS * i, FIELDS * (i + 1))])
    .filter(([of]) => of === caseNumber)
    .map(([, forced, ...lower]) => ({ forced: forced === 1, lower }));
}

/** How many boxes cover each place of a plane, looking through the whole case. */
function cover(
  boxes: readonly { lower: number[] }[],
  patch: readonly number[],
  rows: number,
  columns: number,
  down: number,
  across: number,
  step: number,
): Float32Array {
  const counts = new Float32Array(rows * columns);
  const end = (position: number, size: number): number => Math.min(Math.max(Math.round(position / step), 0), size);
  for (const { lower } of boxes) {
    const [top, bottom] = [end(lower[down], rows), end(lower[down] + patch[down], rows)];
    const [left, right] = [end(lower[across], columns), end(lower[across] + patch[across], columns)];
    for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) counts[row * columns + column]++;
  }
  return counts;
}

/** Row 0 at the top: the slice's overlay is turned over. */
function heat(counts: Float32Array, rows: number, columns: number): string {
  const most = Math.max(
    1,
    counts.reduce((a, b) => Math.max(a, b), 0),
  );
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const pixels = new ImageData(columns, rows);
  for (const [i, count] of counts.entries()) {
    const at = (count / most) * (CIVIDIS.length - 1);
    const below = Math.min(Math.floor(at), CIVIDIS.length - 2);
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = CIVIDIS[below][c] + (at - below) * (CIVIDIS[below + 1][c] - CIVIDIS[below][c]);
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}
