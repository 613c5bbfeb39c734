import type { SampleFacts, StageFacts } from '../facts.ts';
import type { Arrays } from './api.ts';
import { sliceOf } from './render.ts';
import { AXIS_NAMES, SliceCanvas, sizeOf } from './slice-canvas.tsx';

interface Props {
  facts: SampleFacts;
  arrays: Arrays;
  stage: StageFacts;
  title: string;
  /** Goes to another slice. */
  onMove: (axis: number, position: number) => void;
  outlines?: boolean;
  /** How tall it may become, in parts of the window. */
  tall: number;
}

/** One stage of a sample in three planes. */
export function StagePlanes({ facts, arrays, stage, title, onMove, outlines = true, tall }: Props) {
  const move = (axis: number, by: number): void => onMove(axis, Math.min(Math.max(facts.at[axis] + by, 0), facts.shape[axis] - 1));
  const sizes = stage.planes.map((plane) => sizeOf(plane, facts.spacing, plane.axis));
  const ratio = sizes.reduce((sum, [width]) => sum + width, 0) / Math.max(...sizes.map(([, height]) => height));
  return (
    <div class="planes" style={{ maxWidth: `calc(${100 * tall}vh * ${ratio.toFixed(3)})` }} data-stage={title} data-hash={stage.hash}>
      {stage.planes.map((plane) => (
        <SliceCanvas
          key={plane.axis}
          slice={sliceOf(arrays, plane)}
          window={facts.window}
          spacing={facts.spacing}
          axis={plane.axis}
          label={`${title}: slice ${plane.position} across axis ${plane.axis}`}
          onWheel={(by) => move(plane.axis, by)}
          outlines={outlines}
        />
      ))}
    </div>
  );
}

/** Sliders through a patch. */
export function PatchSliders({ facts, onMove }: Pick<Props, 'facts' | 'onMove'>) {
  const axes = facts.shape[0] === 1 ? [] : [0, 1, 2];
  return (
    <div class="patch-sliders">
      {axes.map((axis) => (
        <label key={axis}>
          <span>
            {AXIS_NAMES[axis]} {facts.at[axis]}
          </span>
          <input
            type="range"
            aria-label={`Slice along ${AXIS_NAMES[axis]} of the patch`}
            min={0}
            max={facts.shape[axis] - 1}
            value={facts.at[axis]}
            onInput={(event) => onMove(axis, Number(event.currentTarget.value))}
          />
        </label>
      ))}
    </div>
  );
}
