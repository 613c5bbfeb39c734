import { useEffect, useState } from 'preact/hooks';
import type { SampleFacts } from '../facts.ts';
import { type Arrays, addressOf, askPacket } from './api.ts';
import { CaseSlices } from './case-slices.tsx';
import { Histogram } from './chart.tsx';
import { CopyButton, FailureNote, Legend, SampleField } from './controls.tsx';
import { PatchSliders, StagePlanes } from './stages.tsx';
import { useAsked, useKeys, useShared } from './state.ts';

/** One sample: where it comes from, and what is done to it, step by step. */
export function SamplePage() {
  const { about, place, channel, go } = useShared();
  const { sample, config, settings } = place;
  const [at, setAt] = useState<string | undefined>(undefined);
  const [chosen, setChosen] = useState<number | null>(null);
  const which = { sample, config: config ?? undefined, channel };
  const of = addressOf('sample', which, settings);
  useEffect(() => {
    setAt(undefined);
    setChosen(null);
  }, [of]);
  const address = addressOf('sample', { ...which, at }, settings);
  const { data, failure, loading } = useAsked(address, () => askPacket<SampleFacts>(address));
  const last = (data?.facts.stages.length ?? 1) - 1;
  /** Nothing chosen: all that is done, at once. */
  const shown = chosen === null ? null : Math.min(chosen, last);
  const pair = shown === null ? [0, last] : [Math.max(0, shown - 1), shown];
  const step = (by: number): void => go({ sample: Math.max(0, sample + by) });
  useKeys({
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    ArrowDown: () => setChosen(Math.min((shown ?? -1) + 1, last)),
    ArrowUp: () => setChosen(shown === null || shown === 0 ? null : shown - 1),
  });
  const save = (side: string, part: string): string => addressOf('nifti', { ...which, side, part }, settings);
  const onMove = (axis: number, position: number): void => {
    if (data === null) return;
    setAt(data.facts.at.map((value, other) => (other === axis ? position : value)).join());
  };
  return (
    <>
      <div class="transport">
        <SampleField sample={sample} onChange={(value) => go({ sample: value })} />
        {data === null ? null : <Which facts={data.facts} />}
        <Legend outlines={about.outlines} />
      </div>
      <FailureNote failure={failure} />
      {data === null ? null : (
        <div class="sample-room" aria-busy={loading}>
          <section class="panel" aria-label="the whole case">
            <h2>
              {data.facts.id} <span class="faint">{data.facts.caseShape.join(' × ')}</span>
            </h2>
            <CaseSlices
              caseNumber={data.facts.plan.caseNumber}
              channel={channel}
              crop={data.facts.plan.crop}
              corners={data.facts.corners}
              voxel={data.facts.plan.voxel}
              flat={data.facts.shape[0] === 1}
            />
            <ul class="keys faint">
              <li>
                <i class="key-patch" aria-hidden="true" /> the patch{data.facts.elastic ? ', before it is deformed' : ''}
              </li>
              <li>
                <i class="key-read" aria-hidden="true" /> what nnU-Net would read
              </li>
              {data.facts.plan.voxel === null ? null : (
                <li>
                  <i class="key-voxel" aria-hidden="true" /> voxel {data.facts.plan.voxel.join(', ')}
                </li>
              )}
            </ul>
          </section>
          <section class="panel plan" aria-label="plan and files">
            <div class="row">
              <h2>Plan</h2>
              <CopyButton label="Copy as JSON" text={() => JSON.stringify(data.facts.plan, null, 2)} />
              <span class="faint">hash {data.facts.stages[last].hash}</span>
              <span class="saves">
                Save as NIfTI:
                <a href={save('before', 'image')} download>
                  crop
                </a>
                <a href={save('before', 'labels')} download>
                  its labels
                </a>
                <a href={save('after', 'image')} download>
                  sample
                </a>
                <a href={save('after', 'labels')} download>
                  its labels
                </a>
              </span>
            </div>
            <pre>{showPlan(data.facts)}</pre>
          </section>
          <section class="panel steps" aria-label="what is done to it">
            <ol class="timeline">
              <li>
                <button type="button" aria-pressed={shown === null} onClick={() => setChosen(null)}>
                  <b>all steps</b>
                </button>
              </li>
              {data.facts.stages.map(({ title, text }, i) => (
                <li key={`${i} ${title}`}>
                  <button type="button" aria-pressed={i === shown} onClick={() => setChosen(i)}>
                    <b>{title}</b>
                    <span>{text}</span>
                  </button>
                </li>
              ))}
            </ol>
            <div class="before-after">
              <Side
                data={data}
                stage={pair[0]}
                title={pair[0] === 0 ? 'As stored' : `Before ${data.facts.stages[pair[1]].title}`}
                onMove={onMove}
              />
              <Side
                data={data}
                stage={pair[1]}
                title={shown === null ? 'As in its batch' : shown === 0 ? 'As stored' : `After ${data.facts.stages[shown].title}`}
                onMove={onMove}
              />
              <PatchSliders facts={data.facts} onMove={onMove} />
              <Histogram
                before={data.facts.stages[pair[0]].histogram}
                after={data.facts.stages[pair[1]].histogram}
                range={data.facts.range}
                label="Histogram of the grey values before and after"
              />
            </div>
          </section>
        </div>
      )}
    </>
  );
}

type Made = { facts: SampleFacts; arrays: Arrays };

function Side({
  data,
  stage,
  title,
  onMove,
}: {
  data: Made;
  stage: number;
  title: string;
  onMove: (axis: number, position: number) => void;
}) {
  return (
    <section class="side" aria-label={title}>
      <h2>{title}</h2>
      <StagePlanes facts={data.facts} arrays={data.arrays} stage={data.facts.stages[stage]} title={title} onMove={onMove} tall={0.32} />
    </section>
  );
}

function Which({ facts }: { facts: SampleFacts }) {
  const { plan, className, config, shape } = facts;
  const how = plan.forced ? (className === null ? 'forced, none in case' : `forced ${className}`) : 'random';
  return (
    <span class="which" data-testid="sample" data-sample={plan.sample} data-hash={facts.stages[facts.stages.length - 1].hash}>
      <span class={plan.forced ? 'chip forced' : 'chip'}>{how}</span>
      <span class="faint">
        {config} · {shape.join(' × ')}
      </span>
    </span>
  );
}

/** JSON with lists of numbers in one line. */
function showPlan({ plan }: SampleFacts): string {
  return JSON.stringify(plan, null, 2).replace(/\[\s+([-\d.,\se+null]+?)\s+\]/g, (_, inner: string) => `[${inner.replace(/\s+/g, ' ')}]`);
}
