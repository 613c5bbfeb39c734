import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { AboutFacts, Failure, Settings } from '../facts.ts';
import { Refusal } from './api.ts';

export const PAGES = ['stream', 'sample', 'lab', 'cases', 'speed'] as const;
export type PageName = (typeof PAGES)[number];

/** Where the page stands: all of it is in the address, so that it can be reloaded and gone back from. */
export interface Place {
  page: PageName;
  batch: number;
  sample: number;
  /** Of the sample; null: what the stream has alone. */
  config: string | null;
  caseNumber: number;
  settings: Settings;
}

export function readPlace(hash: string): Place {
  const [page = '', search = ''] = hash.replace(/^#\/?/, '').split('?');
  const query = new URLSearchParams(search);
  const whole = (name: string): number => (/^\d+$/.test(query.get(name) ?? '') ? Number(query.get(name)) : 0);
  return {
    page: PAGES.find((name) => name === page) ?? 'stream',
    batch: whole('batch'),
    sample: whole('sample'),
    config: query.get('config'),
    caseNumber: whole('case'),
    settings: readSettings(query.get('options')),
  };
}

function readSettings(text: string | null): Settings {
  try {
    return (JSON.parse(text ?? '{}') as Settings) ?? {};
  } catch {
    return {};
  }
}

export function writePlace({ page, batch, sample, config, caseNumber, settings }: Place): string {
  const query = new URLSearchParams();
  if (batch > 0) query.set('batch', String(batch));
  if (sample > 0) query.set('sample', String(sample));
  if (config !== null) query.set('config', config);
  if (caseNumber > 0) query.set('case', String(caseNumber));
  if (Object.keys(settings).length > 0) query.set('options', JSON.stringify(settings));
  const search = query.toString();
  return `#/${page}${search === '' ? '' : `?${search}`}`;
}

export interface Shared {
  about: AboutFacts;
  place: Place;
  channel: number;
  /** Goes somewhere else. */
  go: (change: Partial<Place>) => void;
}

export const SharedContext = createContext<Shared | null>(null);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === null) throw new Error('no page around it');
  return shared;
}

export interface Asked<T> {
  /** The last answer: what was asked before stays until the next is here. */
  data: T | null;
  failure: Failure | null;
  loading: boolean;
}

/**
 * Asks whenever `key` changes, one question at a time: of those that came meanwhile only the last is asked. No key: nothing is asked.
 */
export function useAsked<T>(key: string | null, ask: () => Promise<T>): Asked<T> {
  const [state, setState] = useState<Asked<T>>({ data: null, failure: null, loading: key !== null });
  const latest = useRef({ key, ask });
  latest.current = { key, ask };
  const asking = useRef(false);
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);
  useEffect(() => {
    if (key === null) return;
    setState((before) => ({ ...before, loading: true }));
    if (asking.current) return;
    const askLatest = async (): Promise<void> => {
      const { key: asked, ask: question } = latest.current;
      asking.current = true;
      const answer = await question().then(
        (data) => ({ data, failure: null }),
        (error: unknown) => ({ failure: failureOf(error) }),
      );
      asking.current = false;
      if (!alive.current) return;
      const isLast = latest.current.key === asked;
      setState((before) => ({ ...before, ...answer, loading: !isLast }));
      if (!isLast && latest.current.key !== null) await askLatest();
    };
    void askLatest();
  }, [key]);
  return state;
}

export function failureOf(error: unknown): Failure {
  return error instanceof Refusal ? error.failure : { where: '', what: String(error), action: '' };
}

/** Calls for a key where nobody is typing. */
export function useKeys(keys: Record<string, () => void>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      const typing = target.closest('input:not([type=checkbox]), select, textarea, [contenteditable]') !== null;
      const pressing = event.key === ' ' && target.closest('button, a, summary, input') !== null;
      if (typing || pressing || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = latest.current[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
