import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { BatchFacts, CardFacts } from '../facts.ts';
import { type Arrays, addressOf, askPacket } from './api.ts';
import { FailureNote, Legend, NumberField, percent } from './controls.tsx';
import { css, sliceOf } from './render.ts';
import { SliceCanvas } from './slice-canvas.tsx';
import { useAsked, useKeys, useShared } from './state.ts';

const EACH_MS = 900;
/** Samples that have room to be large. */
const FEW = 4;

/** Batches as they come. */
export function StreamPage() {
  const { about, place, channel, go } = useShared();
  const { batch, settings } = place;
  const [playing, setPlaying] = useState(false);
  const address = addressOf('batch', { batch, channel }, settings);
  const { data, failure, loading } = useAsked(address, () => askPacket<BatchFacts>(address));
  const step = (by: number): void => go({ batch: Math.max(0, batch + by) });
  useKeys({ ArrowRight: () => step(1), ArrowLeft: () => step(-1), ' ': () => setPlaying(!playing), Home: () => go({ batch: 0 }) });
  useEffect(() => {
    if (!playing || loading || failure !== null) return;
    const timer = setTimeout(() => step(1), EACH_MS);
    return () => clearTimeout(timer);
  }, [playing, loading, batch, failure]);
  const cards = data?.facts.cards ?? [];
  return (
    <>
      <div class="transport">
        <fieldset class="buttons" aria-label="go through the stream">
          <button type="button" aria-label="Previous batch" title="Previous batch (←)" disabled={batch === 0} onClick={() => step(-1)}>
            ‹
          </button>
          <button
            type="button"
            class="primary"
            aria-label={playing ? 'Pause' : 'Play'}
            title="Space"
            aria-pressed={playing}
            onClick={() => setPlaying(!playing)}
          >
            {playing ? 'Pause' : 'Play'}
          </button>
          <button type="button" aria-label="Next batch" title="Next batch (→)" onClick={() => step(1)}>
            ›
          </button>
        </fieldset>
        <NumberField label="Batch" value={batch} onChange={(value) => go({ batch: value })} />
        <span class="faint" data-testid="batch-state" data-batch={data?.facts.batch}>
          {data === null
            ? ''
            : `${data.facts.config} · ${cards.length} samples, ${cards.filter(({ forced }) => forced).length} forced · ${data.facts.live ? 'as it came' : 'made again'}`}
        </span>
        <Legend outlines={about.outlines} />
      </div>
      <FailureNote failure={failure} />
      <div class="stream-room">
        <div class={cards.length > FEW ? 'cards' : 'cards few'} aria-busy={loading}>
          {data === null ? null : cards.map((card) => <Card key={card.sample} card={card} arrays={data.arrays} />)}
        </div>
        <Exposure facts={data?.facts ?? null} of={JSON.stringify(settings)} />
      </div>
    </>
  );
}

function Card({ card, arrays }: { card: CardFacts; arrays: Arrays }) {
  const { about, go } = useShared();
  const { sample, config, id, forced, className, planes, holds, words, hash } = card;
  const how = forced ? (className === null ? 'forced, none in case' : `forced ${className}`) : 'random';
  // Steps that draw nothing are done to every sample.
  const drawn = words.filter(({ text }) => text !== '');
  const slices = useMemo(() => planes.map((plane) => ({ plane, slice: sliceOf(arrays, plane) })), [planes, arrays]);
  const nameOf = (label: number): string => about.outlines.find((entry) => entry.label === label)?.name ?? `label ${label}`;
  return (
    <article class={forced ? 'card forced' : 'card'} data-sample={sample} data-hash={hash}>
      <button type="button" aria-label={`Open sample ${sample}, ${id}, ${how}`} onClick={() => go({ page: 'sample', sample, config })}>
        <span class="planes">
          {slices.map(({ plane, slice }) => (
            <SliceCanvas
              key={plane.axis}
              slice={slice}
              window={card.window}
              spacing={card.spacing}
              axis={plane.axis}
              label={`${id}, slice ${plane.position} across axis ${plane.axis}`}
            />
          ))}
        </span>
        <span class="card-title">
          <b>{id}</b>
          <span class={forced ? 'chip forced' : 'chip'}>{how}</span>
          <span class="dots">
            {holds.map(({ label, share }) => {
              const entry = about.outlines.find((outline) => outline.label === label);
              return entry ? (
                <i key={label} style={{ background: css(entry.colour) }} title={`${nameOf(label)}: ${percent(share, 1)} of the patch`} />
              ) : null;
            })}
          </span>
          <span class="number">#{sample}</span>
        </span>
        <span class="words" title={drawn.map(({ title, text }) => `${title}: ${text}`).join('\n')}>
          {words.length === 0
            ? 'nothing drawn'
            : drawn.map(({ title, text }) => (
                <span key={title + text}>
                  <b>{title}</b> {text}
                </span>
              ))}
        </span>
      </button>
    </article>
  );
}

/** What the batches seen so far held. */
function Exposure({ facts, of }: { facts: BatchFacts | null; of: string }) {
  const { about } = useShared();
  const seen = useRef({ of, cards: new Map<string, CardFacts>() });
  if (seen.current.of !== of) seen.current = { of, cards: new Map() };
  for (const card of facts?.cards ?? []) seen.current.cards.set(`${card.config} ${card.sample}`, card);
  const cards = [...seen.current.cards.values()];
  const part = (test: (card: CardFacts) => boolean): number => (cards.length === 0 ? 0 : cards.filter(test).length / cards.length);
  const rows = [
    { name: 'forced', colour: 'var(--forced)', value: part(({ forced }) => forced) },
    { name: 'any foreground', colour: 'var(--faint)', value: part(({ holds }) => holds.length > 0) },
    ...about.outlines.map(({ name, label, colour }) => ({
      name,
      colour: css(colour),
      value: part(({ holds }) => holds.some((held) => held.label === label)),
    })),
  ];
  return (
    <aside class="panel exposure" aria-label="exposure">
      <h2>Exposure</h2>
      <p class="faint">Parts of the {cards.length} samples looked at</p>
      <dl class="bars">
        {rows.map(({ name, colour, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{percent(value)}</dd>
            <span class="bar">
              <i style={{ width: `${100 * value}%`, background: colour }} />
            </span>
          </div>
        ))}
      </dl>
      <p class="faint hint">← → step, space plays, a click opens a sample.</p>
    </aside>
  );
}
