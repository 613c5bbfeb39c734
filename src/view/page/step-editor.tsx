import type { OptionFacts } from '../facts.ts';
import { RangeSlider, Slider, Switch, showNumber } from './controls.tsx';
import type { StepData } from './lab-steps.ts';

interface Props {
  /** What errors and names call it: "noise". */
  name: string;
  step: StepData;
  preset: StepData;
  options: Record<string, OptionFacts[]>;
  onChange: (step: StepData) => void;
}

/** A transform's name in words. */
export const wordsOf = (transform: string): string => transform.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** The controls of one step. */
export function StepEditor({ name, step, preset, options, onChange }: Props) {
  return (
    <div class="options">
      {(options[step.transform] ?? []).map((option) => (
        <OptionControl key={option.name} name={name} option={option} step={step} preset={preset} options={options} onChange={onChange} />
      ))}
    </div>
  );
}

function OptionControl({ name, option, step, preset, options, onChange }: Props & { option: OptionFacts }) {
  const { name: of, kind, help, from, to, whole, choices } = option;
  const value = step[of];
  const given = preset[of];
  const words = wordsOf(of);
  const label = `${name} ${words}`;
  const set = (next: unknown): void => onChange({ ...step, [of]: next });
  const shown = { 'data-option': of, title: help };
  if (kind === 'steps') {
    const inner = value as StepData[];
    return (
      <div class="inner">
        {inner.map((one, i) => (
          <section key={`${i} ${one.transform}`}>
            <h3>{wordsOf(one.transform)}</h3>
            <StepEditor
              name={`${name}, ${wordsOf(one.transform)} ${i + 1}`}
              step={one}
              preset={(given as StepData[])[i]}
              options={options}
              onChange={(next) => set(inner.map((other, j) => (j === i ? next : other)))}
            />
          </section>
        ))}
      </div>
    );
  }
  if (kind === 'range' && Array.isArray(given)) {
    const pair = (Array.isArray(value) ? value : [value, value]) as [number, number];
    const [low, high] = given as [number, number];
    return (
      <div class="option" {...shown}>
        <span>{words}</span>
        <RangeSlider
          label={label}
          value={pair}
          from={low}
          to={high}
          whole={whole}
          format={of === 'rotation' ? degrees : showNumber}
          onChange={set}
        />
      </div>
    );
  }
  if (kind === 'probability' || ((kind === 'number' || kind === 'range') && typeof given === 'number' && from !== null && to !== null)) {
    return (
      <div class="option" {...shown}>
        <span>{words}</span>
        <Slider
          label={label}
          value={value as number}
          from={from ?? 0}
          to={to ?? 1}
          step={whole ? 1 : ((to ?? 1) - (from ?? 0)) / 100}
          onChange={set}
        />
      </div>
    );
  }
  if (kind === 'flag')
    return (
      <div class="option" {...shown}>
        <span>{words}</span>
        <Switch label={label} hidden on={value === true} onChange={set} />
      </div>
    );
  if (kind === 'choice')
    return (
      <div class="option" {...shown}>
        <span>{words}</span>
        <select aria-label={label} value={value as string} onChange={(event) => set(event.currentTarget.value)}>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      </div>
    );
  if (kind === 'axes') {
    const axes = value as number[];
    return (
      <div class="option" {...shown}>
        <span>{words}</span>
        <span class="axes">
          {(given as number[]).map((axis) => (
            <label key={axis}>
              <input
                type="checkbox"
                aria-label={`${label} ${'zyx'[axis]}`}
                checked={axes.includes(axis)}
                onChange={(event) =>
                  set((given as number[]).filter((other) => (other === axis ? event.currentTarget.checked : axes.includes(other))))
                }
              />
              {'zyx'[axis]}
            </label>
          ))}
        </span>
      </div>
    );
  }
  return null;
}

const degrees = (radians: number): string => `${Math.round((radians * 180) / Math.PI)}°`;
