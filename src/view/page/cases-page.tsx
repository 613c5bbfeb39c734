import { useState } from 'preact/hooks';
import type { CaseFacts, OutlineFacts, PlannedFacts } from '../facts.ts';
import { addressOf, askFacts, askPacket } from './api.ts';
import { FailureNote, Legend, NumberField, percent, showNumber } from './controls.tsx';
import { Coverage } from './coverage.tsx';
import { css } from './render.ts';
import { useAsked, useKeys, useShared } from './state.ts';
import { WholeVolume } from './whole-volume.tsx';

const PLANNED = 5000;
const MOST_PLANNED = 20_000;

interface Row extends CaseFacts {
  foreground: number | null;
  drawn: number | null;
}

interface Column {
  name: string;
  title: string;
  of: (row: Row) => number | string | null;
  show: (row: Row) => string;
}

const COLUMNS: Column[] = [
  { name: 'Case', title: 'its name', of: ({ id }) => id, show: ({ id }) => id },
  { name: 'Shape', title: 'voxels; z, y, x', of: ({ shape }) => shape.reduce((a, b) => a * b), show: ({ shape }) => shape.join(' × ') },
  {
    name: 'Spacing',
    title: 'millimetres; z, y, x',
    of: ({ spacing }) => spacing.reduce((a, b) => a * b),
    show: ({ spacing }) => spacing.map(showNumber).join(' '),
  },
  {
    name: 'Fore­ground',
    title: 'the part of its voxels with any class',
    of: ({ foreground }) => foreground,
    show: ({ foreground }) => (foreground === null ? '–' : percent(foreground, 1)),
  },
  {
    name: 'Drawn',
    title: 'how often the planned patches are of it',
    of: ({ drawn }) => drawn,
    show: ({ drawn }) => (drawn === null ? '' : String(drawn)),
  },
];

/** All cases, one as a whole, and where patches fall in it. */
export function CasesPage() {
  const { about, place, channel, go } = useShared();
  const { caseNumber, settings } = place;
  const [count, setCount] = useState(PLANNED);
  const [order, setOrder] = useState({ column: 0, down: false });
  const cases = useAsked('cases', () => askFacts<CaseFacts[]>(addressOf('cases')));
  const address = addressOf('planned', { count }, settings);
  const planned = useAsked(address, () => askPacket<PlannedFacts>(address));
  const rows = (cases.data ?? []).map(
    (entry): Row => ({
      ...entry,
      foreground: foregroundOf(entry, about.regions),
      drawn: planned.data?.facts.drawn[entry.caseNumber] ?? null,
    }),
  );
  const { of } = COLUMNS[order.column];
  const sorted = rows.toSorted((a, b) => compare(of(a), of(b)) * (order.down ? -1 : 1));
  const step = (by: number): void => {
    const next = sorted[sorted.findIndex((row) => row.caseNumber === caseNumber) + by];
    if (next) go({ caseNumber: next.caseNumber });
  };
  useKeys({ ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowRight: () => step(1), ArrowLeft: () => step(-1) });
  const chosen = cases.data?.[caseNumber] ?? null;
  return (
    <>
      <FailureNote failure={cases.failure ?? planned.failure} />
      <div class="cases-room">
        <section class="panel table" aria-label="all cases">
          <table>
            <thead>
              <tr>
                {COLUMNS.map(({ name, title }, i) => (
                  <th key={name} aria-sort={order.column !== i ? 'none' : order.down ? 'descending' : 'ascending'}>
                    <button type="button" title={title} onClick={() => setOrder({ column: i, down: order.column === i && !order.down })}>
                      {name}
                      {order.column !== i ? '' : order.down ? ' ↓' : ' ↑'}
                    </button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {sorted.map((row) => (
                <tr key={row.id} aria-selected={row.caseNumber === caseNumber} onClick={() => go({ caseNumber: row.caseNumber })}>
                  {COLUMNS.map(({ name, show }, i) =>
                    i === 0 ? (
                      <th key={name} scope="row">
                        <button type="button" aria-label={`Show ${row.id}`} onClick={() => go({ caseNumber: row.caseNumber })}>
                          {row.id}
                        </button>
                      </th>
                    ) : (
                      <td key={name}>{show(row)}</td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <section class="panel volume" aria-label="the case as a whole">
          <div class="row">
            <h2>{chosen?.id ?? ''}</h2>
            <Legend outlines={about.outlines} shares={sharesOf(chosen, about.outlines)} />
          </div>
          {chosen === null ? null : <WholeVolume caseNumber={caseNumber} channel={channel} name={chosen.id} />}
        </section>
        <section class="panel planned" aria-label="planned patches">
          <div class="row">
            <h2>Planned patches</h2>
            <NumberField label="" name="Planned patches" value={count} from={1} to={MOST_PLANNED} width={6} onChange={setCount} />
            {planned.data === null ? null : (
              <span class="faint">
                {planned.data.facts.drawn[caseNumber]} of them here; bright where many lie, <i class="dot random" aria-hidden="true" />{' '}
                random and <i class="dot forced" aria-hidden="true" /> forced centres
              </span>
            )}
          </div>
          <div class="planned-room">
            {planned.data === null ? null : (
              <Coverage
                caseNumber={caseNumber}
                channel={channel}
                planned={planned.data.facts}
                boxes={planned.data.arrays.boxes as Int32Array}
              />
            )}
            {planned.data === null ? null : <Exposures facts={planned.data.facts} />}
          </div>
        </section>
      </div>
    </>
  );
}

/** In which part of the patches each class is: wanted, planned, and streamed so far. */
function Exposures({ facts }: { facts: PlannedFacts }) {
  const { about } = useShared();
  const { realised } = facts;
  const wanted = facts.target.some((target) => target !== null);
  return (
    <table class="exposures">
      <thead>
        <tr>
          <th>Class</th>
          {wanted ? <th>Wanted</th> : null}
          <th title="planned patches that hold it">Planned</th>
          <th title="planned patches that are centred on it">Centred</th>
          <th title="patches that the other pages streamed so far, and that hold it">Streamed</th>
        </tr>
      </thead>
      <tbody>
        {facts.classes.map((name, i) => {
          const outline = about.outlines.find((entry) => entry.name === name);
          const target = facts.target[i];
          return (
            <tr key={name}>
              <th scope="row">
                {outline ? <i class="swatch" style={{ background: css(outline.colour) }} aria-hidden="true" /> : null}
                {name}
              </th>
              {wanted ? <td>{target === null ? '–' : percent(target, 1)}</td> : null}
              <td>{percent(facts.holding[i], 1)}</td>
              <td>{percent(facts.forcedOnto[i], 1)}</td>
              <td>{realised.patches === 0 || realised.holding[i] === undefined ? '–' : percent(realised.holding[i], 1)}</td>
            </tr>
          );
        })}
      </tbody>
      <caption class="faint">{realised.patches} patches streamed so far</caption>
    </table>
  );
}

function foregroundOf({ voxels, shape }: CaseFacts, regions: boolean): number | null {
  const counts = Object.values(voxels);
  const known = counts.filter((count) => count !== null);
  if (known.length === 0 || known.length < counts.length) return null;
  // Regions overlap: of those, the largest says most.
  return (regions ? Math.max(...known) : known.reduce((a, b) => a + b, 0)) / shape.reduce((a, b) => a * b);
}

/** What part of a case each class is, by its outline. */
function sharesOf(chosen: CaseFacts | null, outlines: readonly OutlineFacts[]): Map<number, string> {
  if (chosen === null) return new Map();
  const whole = chosen.shape.reduce((a, b) => a * b);
  return new Map(
    outlines.flatMap(({ name, label }) => {
      const count = chosen.voxels[name];
      return count === null || count === undefined ? [] : [[label, percent(count / whole, 1)] as const];
    }),
  );
}

function compare(a: number | string | null, b: number | string | null): number {
  if (typeof a === 'string' || typeof b === 'string') return String(a).localeCompare(String(b), 'en', { numeric: true });
  return (a ?? -1) - (b ?? -1);
}
