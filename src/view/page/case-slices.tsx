import { useEffect, useState } from 'preact/hooks';
import { cornersOfBox, cutBox } from './box-outline.ts';
import { FailureNote } from './controls.tsx';
import { AXIS_NAMES, SliceCanvas, sizeOf } from './slice-canvas.tsx';
import { useAsked } from './state.ts';
import { askVolume, cut } from './volume.ts';

/** Shown around what is drawn, in parts of the largest side. */
const MARGIN = 0.02;

interface Props {
  caseNumber: number;
  channel: number;
  /** Of a sample: what is drawn over the case, in voxels of the whole case. */
  crop: { lower: readonly number[]; upper: readonly number[] };
  corners: readonly (readonly number[])[];
  voxel: readonly number[] | null;
  flat: boolean;
}

/** A whole case in three planes, with a sample's boxes; the wheel and the sliders go through it. */
export function CaseSlices({ caseNumber, channel, crop, corners, voxel, flat }: Props) {
  const { data: volume, failure } = useAsked(`${caseNumber} ${channel}`, () => askVolume(caseNumber, channel));
  const centre = voxel ?? [0, 1, 2].map((axis) => Math.round((corners[0][axis] + corners[7][axis]) / 2));
  const [at, setAt] = useState<number[]>([...centre]);
  useEffect(() => setAt([...centre]), [caseNumber, centre.join()]);
  if (volume === null) return <FailureNote failure={failure} />;
  const { shape, step, spacing, window: grey, id } = volume.facts;
  const small = (values: readonly number[]): number[] => values.map((value) => value / step);
  const place = [0, 1, 2].map((axis) => Math.min(Math.max(Math.round(at[axis] / step), 0), shape[axis] - 1));
  const move = (axis: number, position: number): void =>
    setAt(at.map((value, other) => (other === axis ? Math.min(Math.max(position, 0), shape[axis] - 1) * step : value)));
  const boxes = [
    { name: 'read', corners: cornersOfBox(crop.lower, crop.upper).map(small) },
    { name: 'patch', corners: corners.map(small) },
  ];
  const reached = [...boxes.flatMap((box) => box.corners), [0, 0, 0], shape];
  const margin = Math.ceil(MARGIN * Math.max(...shape));
  const lower = [0, 1, 2].map((axis) => Math.floor(Math.min(...reached.map((point) => point[axis]))) - margin);
  const upper = [0, 1, 2].map((axis) => Math.ceil(Math.max(...reached.map((point) => point[axis]))) + margin);
  const axes = flat ? [0] : [0, 1, 2];
  const sizes = axes.map((axis) => {
    const [down, across] = [0, 1, 2].filter((other) => other !== axis);
    return sizeOf({ rows: upper[down] - lower[down], columns: upper[across] - lower[across] }, spacing, axis);
  });
  // All in one scale, and the tallest no taller than this.
  const widest = sizes.reduce((sum, [width]) => sum + width, 0) / Math.max(...sizes.map(([, height]) => height));
  return (
    <div class="case-slices" style={{ maxWidth: `calc(32vh * ${widest.toFixed(3)})` }}>
      {axes.map((axis, i) => {
        const [down, across] = [0, 1, 2].filter((other) => other !== axis);
        return (
          <figure key={axis} style={{ flexGrow: sizes[i][0] }}>
            <div class="planes">
              <SliceCanvas
                slice={cut(volume, axis, place[axis], { lower, upper })}
                window={grey}
                spacing={spacing}
                axis={axis}
                label={`${id}, slice ${place[axis] * step} across axis ${axis}, with the boxes of the sample`}
                onWheel={(by) => move(axis, place[axis] + by)}
              >
                {boxes.map(({ name, corners: eight }) => (
                  <polygon
                    key={name}
                    class={`box-${name}`}
                    points={cutBox(eight, axis, place[axis])
                      .map(([x, y]) => `${x + 0.5 - lower[across]},${y + 0.5 - lower[down]}`)
                      .join(' ')}
                  />
                ))}
                {voxel === null || Math.abs(voxel[axis] / step - place[axis]) > 0.5 ? null : (
                  <circle
                    class="voxel"
                    cx={voxel[across] / step + 0.5 - lower[across]}
                    cy={voxel[down] / step + 0.5 - lower[down]}
                    r={Math.max(1.2, 0.022 * Math.max(...shape))}
                  />
                )}
              </SliceCanvas>
            </div>
            <figcaption>
              <input
                type="range"
                aria-label={`Slice along ${AXIS_NAMES[axis]} of the case`}
                min={0}
                max={shape[axis] - 1}
                value={place[axis]}
                onInput={(event) => move(axis, Number(event.currentTarget.value))}
              />
              <span>
                {AXIS_NAMES[axis]} {place[axis] * step}
              </span>
            </figcaption>
          </figure>
        );
      })}
    </div>
  );
}
