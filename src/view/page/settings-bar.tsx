import { useEffect, useState } from 'preact/hooks';
import type { Settings } from '../facts.ts';
import { NumberField, SelectField, Slider } from './controls.tsx';
import { useShared } from './state.ts';

/** Of the lab, in the choice of augmentations. */
const OWN = 'as in the lab';

/** Which stream all pages show: the command line's, with what is changed here. */
export function SettingsBar({ onChannel }: { onChannel: (channel: number) => void }) {
  const { about, place, channel, go } = useShared();
  const now = { ...about.settings, ...place.settings };
  const set = (change: Settings): void => {
    const settings: Settings = { ...place.settings, ...change };
    for (const name of Object.keys(settings) as (keyof Settings)[])
      if (JSON.stringify(settings[name]) === JSON.stringify(about.settings[name])) delete settings[name];
    go({ settings, ...(change.config === undefined ? {} : { config: null }) });
  };
  const preset = typeof now.augmentation === 'string' ? now.augmentation : OWN;
  const presets = [...about.presets, ...(preset === OWN ? [OWN] : [])];
  const folds = Array.from({ length: about.folds }, (_, i) => [String(i), `fold ${i}`] as const);
  const configurations = about.configurations.map(({ name, patchSize }) => [name, `${name} (${patchSize.join('×')})`] as const);
  return (
    <section class="settings" aria-label="which stream">
      <NumberField label="Seed" value={now.seed} onChange={(seed) => set({ seed })} />
      {about.fixed.config || configurations.length === 0 ? null : (
        <SelectField label="Configuration" value={now.config ?? ''} choices={configurations} onChange={(config) => set({ config })} />
      )}
      {folds.length === 0 ? null : (
        <SelectField
          label="Fold"
          value={String(now.fold)}
          choices={[['all', 'all cases'], ...folds]}
          onChange={(fold) => set({ fold: fold === 'all' ? fold : Number(fold) })}
        />
      )}
      <SelectField
        label="Augmentation"
        value={preset}
        choices={presets.map((name) => [name, name])}
        onChange={(augmentation) => augmentation === OWN || set({ augmentation })}
      />
      {about.fixed.oversample ? null : <Oversampling value={now.oversample ?? 0.33} onChange={(oversample) => set({ oversample })} />}
      {about.channels.length < 2 ? null : (
        <SelectField
          label="Channel"
          value={String(channel)}
          choices={about.channels.map((name, i) => [String(i), name])}
          onChange={(value) => onChannel(Number(value))}
        />
      )}
      {Object.keys(place.settings).length === 0 ? null : (
        <button type="button" class="quiet" onClick={() => go({ settings: {}, config: null })}>
          As started
        </button>
      )}
    </section>
  );
}

/** Another stream once the slider rests. */
function Oversampling({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  const [moved, setMoved] = useState(value);
  useEffect(() => setMoved(value), [value]);
  useEffect(() => {
    if (moved === value) return;
    const timer = setTimeout(() => onChange(moved), 250);
    return () => clearTimeout(timer);
  }, [moved]);
  return <Slider label="Oversampling" value={moved} from={0} to={1} step={0.01} onChange={setMoved} show={moved.toFixed(2)} />;
}
