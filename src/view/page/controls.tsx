import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Failure, OutlineFacts } from '../facts.ts';
import { css } from './render.ts';

/** A label above or beside its control. */
export function Field({ label, children, title }: { label: string; children: ComponentChildren; title?: string | undefined }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: its control is among the children
    <label class="field" title={title}>
      <span>{label}</span>
      {children}
    </label>
  );
}

/** The number of a sample, and the two beside it. */
export function SampleField({ sample, onChange }: { sample: number; onChange: (sample: number) => void }) {
  return (
    <>
      <fieldset class="buttons" aria-label="go through the samples">
        <button
          type="button"
          aria-label="Previous sample"
          title="Previous sample (←)"
          disabled={sample === 0}
          onClick={() => onChange(sample - 1)}
        >
          ‹
        </button>
        <button type="button" aria-label="Next sample" title="Next sample (→)" onClick={() => onChange(sample + 1)}>
          ›
        </button>
      </fieldset>
      <NumberField label="Sample" value={sample} width={7} onChange={onChange} />
    </>
  );
}

/** A whole number that is taken over on Enter, on leaving, and by the arrows of the field. */
export function NumberField(props: {
  label: string;
  /** Where nothing beside it says what it is. */
  name?: string;
  value: number;
  from?: number;
  to?: number;
  onChange: (value: number) => void;
  width?: number;
}) {
  const { label, value, from = 0, to = Number.MAX_SAFE_INTEGER, onChange, width = 5 } = props;
  const [typed, setTyped] = useState(String(value));
  useEffect(() => setTyped(String(value)), [value]);
  const take = (text: string): void => {
    const number = Number(text);
    if (text !== '' && Number.isSafeInteger(number) && number >= from && number <= to) {
      if (number !== value) onChange(number);
    } else setTyped(String(value));
  };
  return (
    <Field label={label}>
      <input
        type="number"
        aria-label={props.name}
        min={from}
        max={to}
        step={1}
        value={typed}
        style={{ width: `${width + 2}ch` }}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onChange={(event) => take(event.currentTarget.value)}
      />
    </Field>
  );
}

export function SelectField(props: {
  label: string;
  value: string;
  choices: readonly (readonly [value: string, name: string])[];
  onChange: (value: string) => void;
}) {
  return (
    <Field label={props.label}>
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.choices.map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A slider; `onChange` is called while it moves. */
export function Slider(props: {
  label: string;
  value: number;
  from: number;
  to: number;
  step?: number;
  onChange: (value: number) => void;
  show?: string;
  title?: string;
}) {
  const { label, value, from, to, step = (to - from) / 200, onChange, show } = props;
  return (
    <label class="slider" title={props.title}>
      <span class="slider-name">{label}</span>
      <input
        type="range"
        min={from}
        max={to}
        step={step}
        value={value}
        aria-label={label}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output>{show ?? showNumber(value)}</output>
    </label>
  );
}

/** Two thumbs on one track: [low, high]. */
export function RangeSlider(props: {
  label: string;
  value: readonly [number, number];
  from: number;
  to: number;
  whole?: boolean;
  onChange: (value: [number, number]) => void;
  title?: string;
  format?: (value: number) => string;
}) {
  const {
    label,
    value: [low, high],
    from,
    to,
    whole = false,
    onChange,
    format = showNumber,
  } = props;
  const step = whole ? 1 : (to - from) / 200;
  const part = (value: number): string => `${to > from ? (100 * (value - from)) / (to - from) : 0}%`;
  return (
    <div class="slider" title={props.title}>
      <span class="slider-name">{label}</span>
      <span class="range" style={{ '--low': part(low), '--high': part(high) }}>
        <input
          type="range"
          min={from}
          max={to}
          step={step}
          value={low}
          aria-label={`${label}, lowest`}
          onInput={(event) => onChange([Math.min(Number(event.currentTarget.value), high), high])}
        />
        <input
          type="range"
          min={from}
          max={to}
          step={step}
          value={high}
          aria-label={`${label}, highest`}
          onInput={(event) => onChange([low, Math.max(Number(event.currentTarget.value), low)])}
        />
      </span>
      <output>{low === high ? format(low) : `${format(low)} – ${format(high)}`}</output>
    </div>
  );
}

export function Switch(props: { label: string; on: boolean; onChange: (on: boolean) => void; hidden?: boolean }) {
  return (
    <label class="switch">
      <input
        type="checkbox"
        role="switch"
        checked={props.on}
        aria-checked={props.on}
        aria-label={props.label}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <i aria-hidden="true" />
      {props.hidden ? null : <span>{props.label}</span>}
    </label>
  );
}

export function Legend({ outlines, shares }: { outlines: readonly OutlineFacts[]; shares?: ReadonlyMap<number, string> }) {
  return (
    <ul class="legend" aria-label="classes">
      {outlines.map(({ name, label, colour }) => (
        <li key={label}>
          <i style={{ background: css(colour) }} aria-hidden="true" />
          {name}
          {shares?.has(label) ? <b>{shares.get(label)}</b> : null}
        </li>
      ))}
    </ul>
  );
}

export function FailureNote({ failure }: { failure: Failure | null }) {
  if (failure === null) return null;
  return (
    <p class="failure" role="alert">
      <strong>
        {failure.where === '' ? '' : `${failure.where}: `}
        {failure.what}.
      </strong>{' '}
      {failure.action}
    </p>
  );
}

/** Copies a text, and says so for a moment. */
export function CopyButton({ label, text }: { label: string; text: () => string }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text());
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" onClick={() => void copy()}>
      {done ? 'Copied' : label}
    </button>
  );
}

export function showNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

export const percent = (part: number, digits = 0): string => `${(100 * part).toFixed(digits)} %`;

export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}
