import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { AboutFacts } from '../facts.ts';
import { addressOf, askFacts } from './api.ts';
import { CasesPage } from './cases-page.tsx';
import { FailureNote } from './controls.tsx';
import { LabPage } from './lab-page.tsx';
import { SamplePage } from './sample-page.tsx';
import { SettingsBar } from './settings-bar.tsx';
import { SpeedPage } from './speed-page.tsx';
import { PAGES, type PageName, type Place, readPlace, SharedContext, useAsked, useKeys, writePlace } from './state.ts';
import { StreamPage } from './stream-page.tsx';

const TITLES: Record<PageName, string> = { stream: 'Stream', sample: 'Sample', lab: 'Augmentation', cases: 'Cases', speed: 'Speed' };
const ROOMS = { stream: StreamPage, sample: SamplePage, lab: LabPage, cases: CasesPage, speed: SpeedPage };
const THEME = 'voxfeed-theme';

export function App() {
  const { data: about, failure } = useAsked<AboutFacts>('about', () => askFacts(addressOf('about')));
  const [place, setPlace] = useState(() => readPlace(location.hash));
  const [channel, setChannel] = useState(0);
  useEffect(() => {
    const onMove = (): void => setPlace(readPlace(location.hash));
    window.addEventListener('hashchange', onMove);
    return () => window.removeEventListener('hashchange', onMove);
  }, []);
  const go = useCallback((change: Partial<Place>) => {
    const next = { ...readPlace(location.hash), ...change };
    // Going to another page can be undone, each step of a stream need not be.
    if (change.page !== undefined) location.hash = writePlace(next);
    else history.replaceState(null, '', writePlace(next));
    setPlace(next);
  }, []);
  const shared = useMemo(() => (about === null ? null : { about, place, channel, go }), [about, place, channel, go]);
  useKeys(Object.fromEntries(PAGES.map((page, i) => [String(i + 1), () => go({ page })])));
  useEffect(() => {
    document.title = about === null ? 'voxfeed' : `${TITLES[place.page]} · ${about.name} · voxfeed`;
  }, [about, place.page]);
  const Room = ROOMS[place.page];
  return (
    <>
      <header>
        <img src="icon.svg" alt="" width={22} height={22} />
        <strong class="brand">voxfeed</strong>
        <nav aria-label="pages">
          {PAGES.map((page, i) => (
            <a
              key={page}
              href={writePlace({ ...place, page })}
              aria-current={page === place.page ? 'page' : undefined}
              title={`Key ${i + 1}`}
            >
              {TITLES[page]}
            </a>
          ))}
        </nav>
        <span class="store" title={about?.dir}>
          {about === null ? '' : `${about.name} · ${about.cases} ${about.cases === 1 ? 'case' : 'cases'}`}
        </span>
        <ThemeButton />
      </header>
      {shared === null ? (
        <main>
          <FailureNote failure={failure} />
        </main>
      ) : (
        <SharedContext.Provider value={shared}>
          <SettingsBar onChannel={setChannel} />
          <main class={place.page}>
            <Room />
          </main>
        </SharedContext.Provider>
      )}
    </>
  );
}

function ThemeButton() {
  const [theme, setTheme] = useState(
    () => localStorage.getItem(THEME) ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'),
  );
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const other = theme === 'dark' ? 'light' : 'dark';
  const change = (): void => {
    localStorage.setItem(THEME, other);
    setTheme(other);
  };
  return (
    <button type="button" class="quiet" aria-label={`Change to ${other} colours`} title={`Change to ${other} colours`} onClick={change}>
      <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
        <circle cx="9" cy="9" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5" />
        <path d="M9 2.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
      </svg>
    </button>
  );
}
