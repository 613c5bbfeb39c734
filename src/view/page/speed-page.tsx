import { useEffect, useRef, useState } from 'preact/hooks';
import type { Diagnosis } from '../../loader/diagnosis.ts';
import type { SpeedFacts } from '../facts.ts';
import { addressOf, askFacts } from './api.ts';
import { Chart } from './chart.tsx';
import { FailureNote, percent, Slider, showBytes, showNumber } from './controls.tsx';
import { failureOf, useKeys, useShared } from './state.ts';

const EACH_MS = 500;
/** Points of the charts: two minutes. */
const MOST = 240;
/** The doctor is asked as often. */
const DIAGNOSED_EACH_MS = 8000;

/** Between two questions. */
interface Point {
  time: number;
  rate: number;
  waiting: number;
  busy: number;
  cores: number;
  bytes: number;
}

/** What the stages of workers are called. */
const STAGES: Record<string, string> = {
  read: 'reading',
  decode: 'decompressing',
  warpImage: 'warping images',
  warpLabels: 'warping labels',
  transforms: 'other transforms',
  mirror: 'mirroring',
  deepSupervision: 'targets',
  other: 'other',
  plan: 'planning',
  dispatch: 'handing out',
};

/** The loader at work, consumed as a trainer would whose steps take so long. */
export function SpeedPage() {
  const { place } = useShared();
  const { settings } = place;
  const [running, setRunning] = useState(true);
  const [stepMs, setStepMs] = useState(0);
  const [points, setPoints] = useState<Point[]>([]);
  const [latest, setLatest] = useState<{ now: SpeedFacts; since: SpeedFacts } | null>(null);
  const [diagnosis, setDiagnosis] = useState<Diagnosis | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const asked = useRef(stepMs);
  asked.current = stepMs;
  useKeys({ ' ': () => setRunning(!running) });
  const key = JSON.stringify(settings);
  useEffect(() => {
    setPoints([]);
    setLatest(null);
    setDiagnosis(null);
  }, [key]);
  useEffect(() => {
    if (!running) return;
    let stopped = false;
    let first: SpeedFacts | null = null;
    let before: SpeedFacts | null = null;
    const ask = async (): Promise<void> => {
      while (!stopped) {
        const now = await askFacts<SpeedFacts>(addressOf('speed', { step: asked.current }, settings));
        if (stopped) return;
        const last = before;
        if (last !== null) setPoints((all) => [...all, pointOf(last, now)].slice(-MOST));
        first ??= now;
        before = now;
        setLatest({ now, since: first });
        await new Promise((resolve) => setTimeout(resolve, EACH_MS));
      }
    };
    const diagnose = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 2 * EACH_MS));
      while (!stopped) {
        const said = await askFacts<Diagnosis>(addressOf('doctor', {}, settings));
        if (stopped) return;
        setDiagnosis(said);
        await new Promise((resolve) => setTimeout(resolve, DIAGNOSED_EACH_MS));
      }
    };
    setFailure(null);
    ask().catch((error) => stopped || setFailure(error));
    diagnose().catch((error) => stopped || setFailure(error));
    return () => {
      stopped = true;
    };
  }, [running, key]);
  const point = points.at(-1);
  const now = latest?.now;
  const x = points.map(({ time }) => time - points[0].time);
  return (
    <>
      <div class="transport">
        <fieldset class="buttons" aria-label="run">
          <button type="button" class="primary" aria-pressed={running} title="Space" onClick={() => setRunning(!running)}>
            {running ? 'Stop' : 'Run'}
          </button>
        </fieldset>
        <Slider label="A training step takes" value={stepMs} from={0} to={500} step={5} onChange={setStepMs} show={`${stepMs} ms`} />
        <span class="faint">
          {now === undefined
            ? ''
            : `${now.metrics.workers} ${now.metrics.workers === 1 ? 'worker' : 'workers'}, ${now.cores} cores · at batch ${now.batch}`}
        </span>
      </div>
      <FailureNote failure={failure === null ? null : failureOf(failure)} />
      <dl class="numbers" data-testid="speed" data-batches={now?.metrics.batches ?? 0}>
        <Figure name="Patches a second" value={point && showNumber(Math.round(point.rate))} />
        <Figure name="Waiting for batches" value={point && percent(point.waiting)} />
        <Figure name="Workers busy" value={point && percent(point.busy)} />
        <Figure name="Cores used" value={point?.cores.toFixed(1)} unit={now && `of ${now.cores}`} />
        <Figure name="Memory" value={point && showBytes(point.bytes)} />
      </dl>
      <div class="speed-room">
        <section class="panel wide">
          <h2>Patches a second</h2>
          <Chart
            x={x}
            curves={[{ label: 'patches a second', colour: '--accent', values: points.map(({ rate }) => rate), filled: true }]}
            height={150}
            label="Patches a second over time"
            xLabel=" s"
          />
        </section>
        <Doctor diagnosis={diagnosis} running={running} />
        <section class="panel wide">
          <h2>
            Load
            <span class="curve-name" style={{ '--of': 'var(--accent)' }}>
              workers busy
            </span>
            <span class="curve-name" style={{ '--of': 'var(--forced)' }}>
              waiting for batches
            </span>
          </h2>
          <Chart
            x={x}
            curves={[
              { label: 'workers busy', colour: '--accent', values: points.map(({ busy }) => 100 * busy) },
              { label: 'waiting', colour: '--forced', values: points.map(({ waiting }) => 100 * waiting) },
            ]}
            height={150}
            top={100}
            unit=" %"
            label="Parts of the time in which workers are busy, and in which the consumer waits"
            xLabel=" s"
          />
        </section>
        <section class="panel">
          <h2>Memory by part</h2>
          <Bars rows={(now?.memory ?? []).map(({ name, bytes, meaning }) => ({ name, value: bytes, title: meaning }))} show={showBytes} />
        </section>
        <section class="panel half">
          <h2>
            Stages <span class="faint">ms a patch</span>
          </h2>
          <Bars rows={latest === null ? [] : stagesOf(latest)} show={(value) => value.toFixed(2)} />
        </section>
        <section class="panel half">
          <h2>
            Transforms <span class="faint">ms a patch, over all patches</span>
          </h2>
          <Bars rows={latest === null ? [] : transformsOf(latest)} show={(value) => value.toFixed(3)} />
        </section>
      </div>
    </>
  );
}

function Figure({ name, value, unit }: { name: string; value: string | undefined; unit?: string | undefined }) {
  return (
    <div class="panel">
      <dt>{name}</dt>
      <dd>
        {value ?? '–'} {unit === undefined ? null : <small>{unit}</small>}
      </dd>
    </div>
  );
}

function Doctor({ diagnosis, running }: { diagnosis: Diagnosis | null; running: boolean }) {
  return (
    <section class="panel doctor" aria-label="the doctor" data-testid="doctor">
      <h2>Bound by</h2>
      {diagnosis === null ? <p class="faint">{running ? 'The doctor is looking at it.' : 'Run it, and the doctor looks at it.'}</p> : null}
      {diagnosis === null ? null : (
        <>
          <p class="bound">{diagnosis.bound}</p>
          <p>
            <Words text={diagnosis.why} />
          </p>
          <ul>
            {diagnosis.remedies.map(({ change, brings, costs }) => (
              <li key={change}>
                <Words text={change} />
                <br />
                <span class="faint">
                  <Words text={`Brings: ${brings}. Costs: ${costs}.`} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** A sentence with options in backticks. */
function Words({ text }: { text: string }) {
  return <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code key={`${i} ${part}`}>{part}</code> : part))}</>;
}

function Bars({ rows, show }: { rows: readonly { name: string; value: number; title?: string }[]; show: (value: number) => string }) {
  const most = Math.max(...rows.map(({ value }) => value), Number.MIN_VALUE);
  return (
    <dl class="bars">
      {rows.map(({ name, value, title }) => (
        <div key={name} title={title}>
          <dt>{name}</dt>
          <dd>{show(value)}</dd>
          <span class="bar">
            <i style={{ width: `${(100 * value) / most}%`, background: 'var(--accent)' }} />
          </span>
        </div>
      ))}
    </dl>
  );
}

function pointOf(before: SpeedFacts, now: SpeedFacts): Point {
  const seconds = Math.max(now.time - before.time, 1e-3);
  const [a, b] = [before.metrics, now.metrics];
  const part = (ms: number): number => Math.min(1, Math.max(0, ms / (1000 * seconds)));
  return {
    time: now.time,
    rate: (b.patches - a.patches) / seconds,
    waiting: part(b.waitMs - a.waitMs),
    busy: part((b.workerBusyMs - a.workerBusyMs) / b.workers),
    cores: (now.cpuSeconds - before.cpuSeconds) / seconds,
    bytes: now.residentBytes,
  };
}

type Interval = { now: SpeedFacts; since: SpeedFacts };

/** Since the page began to look; those that took any time. */
function stagesOf({ now, since }: Interval): { name: string; value: number }[] {
  const patches = Math.max(1, now.metrics.patches - since.metrics.patches);
  return Object.entries(now.metrics.stages)
    .map(([name, ms]) => ({
      name: STAGES[name] ?? name,
      value: (ms - since.metrics.stages[name as keyof typeof now.metrics.stages]) / patches,
    }))
    .filter(({ value }) => value > 0);
}

function transformsOf({ now, since }: Interval): { name: string; value: number }[] {
  const patches = Math.max(1, now.metrics.patches - since.metrics.patches);
  return Object.entries(now.metrics.transforms)
    .map(([name, { ms }]) => ({
      name: name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
      value: (ms - (since.metrics.transforms[name]?.ms ?? 0)) / patches,
    }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
}
