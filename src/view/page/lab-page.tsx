import { useEffect, useState } from 'preact/hooks';
import type { CommandFacts, SampleFacts, Settings, StepsFacts } from '../facts.ts';
import { type Arrays, addressOf, askFacts, askPacket } from './api.ts';
import { Histogram } from './chart.tsx';
import { CopyButton, FailureNote, Legend, SampleField, SelectField, Switch } from './controls.tsx';
import { type Bench, benchOf, isChanged, type LabStep, made, pipelineOf, withStep } from './lab-steps.ts';
import { PatchSliders, StagePlanes } from './stages.tsx';
import { failureOf, useAsked, useKeys, useShared } from './state.ts';
import { StepEditor, wordsOf } from './step-editor.tsx';

const STANDARD = 'default';
/** Of the stream's hash: enough to be sure, and soon there. */
const BATCHES = 4;

/** What the lab holds outlives the page; and what it last made of the stream's settings. */
let kept: Bench | null = null;
let written: string | null = null;

/** One sample, and every step of its augmentation to be turned on, off and about. */
export function LabPage() {
  const { about, place, channel, go } = useShared();
  const { sample, settings } = place;
  const [bench, setBench] = useState<Bench | null>(kept);
  const { augmentation: _, ...rest } = settings;
  const start = startOf(settings, about.settings.augmentation);
  const [preset, setPreset] = useState(kept?.preset ?? (typeof start === 'string' ? start : STANDARD));
  const stepsAddress = addressOf('steps', { preset }, rest);
  const steps = useAsked(stepsAddress, () => askFacts<StepsFacts>(stepsAddress));
  const change = (next: Bench): void => {
    kept = next;
    setBench(next);
  };
  useEffect(() => {
    if (steps.data !== null && !steps.loading && (bench === null || bench.preset !== preset)) change(benchOf(preset, steps.data));
  }, [steps.data, steps.loading, preset]);
  // Chosen elsewhere: the lab begins with it.
  useEffect(() => {
    if (typeof start !== 'string' || written === null || JSON.stringify(start) === written) return;
    written = JSON.stringify(start);
    kept = null;
    setBench(null);
    setPreset(start);
  }, [JSON.stringify(start)]);
  // Other pages show what the lab makes.
  useEffect(() => {
    if (bench === null) return;
    const augmentation = isChanged(bench) ? pipelineOf(bench) : bench.preset;
    written = JSON.stringify(augmentation);
    const timer = setTimeout(() => go({ settings: tidy({ ...rest, augmentation }, about.settings) }), 300);
    return () => clearTimeout(timer);
  }, [bench]);

  const [at, setAt] = useState<string | undefined>(undefined);
  useEffect(() => setAt(undefined), [sample]);
  const pipeline = bench === null ? null : pipelineOf(bench);
  const options: Settings = pipeline === null ? rest : { ...rest, augmentation: pipeline };
  const address = addressOf('sample', { sample, channel, at, stages: 'ends', config: place.config ?? undefined }, options);
  const { data, failure, loading } = useAsked(bench === null ? null : address, () => askPacket<SampleFacts>(address));
  const step = (by: number): void => go({ sample: Math.max(0, sample + by) });
  useKeys({ ArrowRight: () => step(1), ArrowLeft: () => step(-1) });
  return (
    <>
      <div class="transport">
        <SampleField sample={sample} onChange={(value) => go({ sample: value })} />
        <span class="faint">{data?.facts.id}</span>
        <Legend outlines={about.outlines} />
      </div>
      <FailureNote failure={failure ?? steps.failure} />
      <div class="lab-room">
        <section class="panel lab-steps" aria-label="steps">
          <div class="row">
            <SelectField label="Start from" value={preset} choices={about.presets.map((name) => [name, name])} onChange={setPreset} />
            <button
              type="button"
              disabled={bench === null}
              title="Every step for every sample: probabilities are 1"
              onClick={() => bench && change({ ...bench, steps: bench.steps.map((entry) => ({ ...entry, step: made(entry.step) })) })}
            >
              All certain
            </button>
            <button
              type="button"
              aria-label="Reset to nnU-Net's default"
              title="nnU-Net's default"
              disabled={bench === null || (bench.preset === STANDARD && !isChanged(bench))}
              onClick={() => {
                setPreset(STANDARD);
                if (bench?.preset === STANDARD)
                  change({ ...bench, steps: bench.steps.map(({ preset: step }) => ({ on: true, step, preset: step })) });
              }}
            >
              Reset
            </button>
          </div>
          {bench === null
            ? null
            : bench.steps.map((entry, i) => (
                <OneStep
                  key={`${bench.preset} ${i}`}
                  bench={bench}
                  entry={entry}
                  i={i}
                  facts={data?.facts ?? null}
                  onChange={(next) => change(withStep(bench, i, next))}
                />
              ))}
        </section>
        <section class="lab-result" aria-label="the sample" aria-busy={loading}>
          {data === null ? null : (
            <Result
              data={data}
              onMove={(axis, position) => setAt(data.facts.at.map((value, other) => (other === axis ? position : value)).join())}
            />
          )}
          {pipeline === null ? null : <Take pipeline={pipeline} options={options} />}
        </section>
      </div>
    </>
  );
}

/** What the lab begins with: the page's augmentation, or the command line's. */
function startOf(settings: Settings, otherwise: Settings['augmentation']): Settings['augmentation'] {
  return settings.augmentation ?? otherwise;
}

/** Without what the command line says anyway. */
function tidy(settings: Settings, standard: Settings): Settings {
  return JSON.stringify(settings.augmentation) === JSON.stringify(standard.augmentation)
    ? (({ augmentation: _, ...rest }) => rest)(settings)
    : settings;
}

interface OneStepProps {
  bench: Bench;
  entry: LabStep;
  i: number;
  facts: SampleFacts | null;
  onChange: (change: Partial<LabStep>) => void;
}

function OneStep({ bench, entry, i, facts, onChange }: OneStepProps) {
  const twins = bench.steps.filter(({ step }) => step.transform === entry.step.transform);
  const words = wordsOf(entry.step.transform);
  const name = twins.length > 1 ? `${words} ${twins.indexOf(entry) + 1}` : words;
  const drawn = entry.on && facts !== null && isDrawn(bench, i, facts);
  return (
    <details class={drawn ? 'step drawn' : 'step'} data-step={i} data-transform={entry.step.transform} open={i === 0}>
      <summary>
        <Switch label={name} on={entry.on} onChange={(on) => onChange({ on })} />
        {'invert' in entry.step && entry.step.invert === true ? <span class="faint">inverted</span> : null}
        <span class="state">{entry.on ? (drawn ? 'drawn' : 'not drawn') : 'off'}</span>
      </summary>
      <StepEditor
        name={name}
        step={entry.step}
        preset={entry.preset}
        options={bench.options}
        onChange={(step) => onChange({ step, on: true })}
      />
    </details>
  );
}

/** Whether the plan has an operation of the step: steps that are off do not count there. */
function isDrawn({ steps }: Bench, i: number, { plan }: SampleFacts): boolean {
  const at = steps.slice(0, i).filter(({ on }) => on).length;
  return plan.operations.some(({ step }) => step === at);
}

function Result({
  data: { facts, arrays },
  onMove,
}: {
  data: { facts: SampleFacts; arrays: Arrays };
  onMove: (axis: number, position: number) => void;
}) {
  const [first] = facts.stages;
  const last = facts.stages[facts.stages.length - 1];
  return (
    <div class="panel lab-pictures" data-testid="lab" data-hash={last.hash}>
      <div class="pictures">
        <h2>As stored</h2>
        <StagePlanes facts={facts} arrays={arrays} stage={first} title="As stored" onMove={onMove} tall={0.29} />
        <h2>Augmented</h2>
        <StagePlanes facts={facts} arrays={arrays} stage={last} title="Augmented" onMove={onMove} tall={0.29} />
        <PatchSliders facts={facts} onMove={onMove} />
      </div>
      <div class="drawn">
        <h2>Drawn</h2>
        <ol>
          {facts.words.map(({ title, text }, i) => (
            <li key={`${i} ${title}`}>
              <b>{title}</b> <span class="faint">{text}</span>
            </li>
          ))}
        </ol>
        <Histogram
          before={first.histogram}
          after={last.histogram}
          range={facts.range}
          label="Histogram of the grey values before and after"
        />
        <p class="faint hash">hash {last.hash}</p>
      </div>
    </div>
  );
}

/** The pipeline as a file, and the stream it makes. */
function Take({ pipeline, options }: { pipeline: unknown; options: Settings }) {
  const key = JSON.stringify(options);
  const [hash, setHash] = useState<{ of: string; text: string } | null>(null);
  const { augmentation: _, ...rest } = options;
  const address = addressOf('command', {}, rest);
  const command = useAsked(address, () => askFacts<CommandFacts>(address));
  const ask = async (): Promise<void> => {
    setHash({ of: key, text: '…' });
    const text = await askFacts<{ hash: string }>(addressOf('hash', { batches: BATCHES }, options)).then(
      (answer) => answer.hash,
      (error: unknown) => failureOf(error).what,
    );
    setHash({ of: key, text });
  };
  return (
    <div class="panel take">
      <div class="row">
        <CopyButton label="Copy as JSON" text={() => `${JSON.stringify(pipeline, null, 2)}\n`} />
        <button type="button" onClick={() => void ask()}>
          Hash of {BATCHES} batches
        </button>
        <output data-testid="stream-hash">{hash?.of === key ? hash.text : ''}</output>
      </div>
      <code>{['voxfeed bench STORE --augmentation file.json', ...(command.data?.flags ?? []), `--batches ${BATCHES}`].join(' ')}</code>
    </div>
  );
}
