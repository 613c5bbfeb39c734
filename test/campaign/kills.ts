import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { numbers } from '../fixtures/raw-dataset.ts';
import { contents } from '../preprocessing/store-files.ts';
import { runCommand } from './processes.ts';
import type { Subject } from './subject.ts';
import type { Campaign } from './tally.ts';

/** `preprocess` killed at any moment, once or several times: the run after it must end in the very store that it would have been. */
export async function killRuns(campaign: Campaign, { raw, store }: Subject, count: number): Promise<void> {
  const row = campaign.row('preprocess killed (SIGKILL), then run again');
  const next = numbers(campaign.seed);
  const expected = JSON.stringify(contents(store));
  const out = join(campaign.dir, 'killed');
  for (let i = 0; i < count && campaign.goesOn(); i++) {
    rmSync(out, { recursive: true, force: true });
    const delays = Array.from({ length: 1 + next(3) }, () => 200 + next(1500));
    for (const killAfter of delays) await runCommand(['preprocess', raw, out, '--workers', '1'], { killAfter });
    const { status, stderr } = await runCommand(['preprocess', raw, out, '--workers', '1']);
    row.tried++;
    if (status === 0 && JSON.stringify(contents(out)) === expected) row.done++;
    else row.findings.push(`killed after ${delays.join(', ')} ms: status ${status}, ${stderr.slice(-500)}`);
  }
}

/** Two runs into one folder, up to a second apart: the second hears who has it, or comes when the first is done. */
export async function meetRuns(campaign: Campaign, { raw, store }: Subject, count: number): Promise<void> {
  const next = numbers(campaign.seed);
  const expected = JSON.stringify(contents(store));
  const out = join(campaign.dir, 'met');
  const both = campaign.row('two preprocess runs into one folder');
  for (let i = 0; i < count && campaign.goesOn(); i++) {
    rmSync(out, { recursive: true, force: true });
    const wait = next(1000);
    const [one, two] = await Promise.all([
      runCommand(['preprocess', raw, out, '--workers', '1']),
      new Promise((resolve) => setTimeout(resolve, wait)).then(() => runCommand(['preprocess', raw, out, '--workers', '1'])),
    ]);
    both.tried++;
    const loser = [one, two].find(({ status }) => status !== 0);
    const whole = JSON.stringify(contents(out)) === expected;
    if (!whole || (loser && !/has been writing into it since/.test(loser.stderr)))
      both.findings.push(`${wait} ms apart: ${one.stderr} ${two.stderr}`);
    else if (loser) both.refused++;
    else both.done++;
  }
}
