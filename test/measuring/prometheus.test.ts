import { get } from 'node:http';
import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { serveMetrics } from '../../src/measuring/prometheus.ts';
import { commandLine } from '../fixtures/command-line.ts';
import { loaderFixture } from '../fixtures/loader.ts';

/** Values by metric with its labels, as 'name{label="value"}'. */
async function scrape(url: string): Promise<Map<string, number>> {
  const response = await fetch(url);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

describe('Prometheus text', () => {
  it('has what metrics() says, by OpenTelemetry names where there are some', async () => {
    const { options } = await loaderFixture({ augmentation: [{ transform: 'gamma', probability: 1 }], exposure: { one: 0.5 } });
    using server = await serveMetrics(0);
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    // Before there is a loader.
    expect([...(await scrape(server.url))].filter(([name, value]) => name.startsWith('voxfeed') && value !== 0)).toEqual([]);
    await using loader = await PatchLoader.create({ ...options, ring: 2 });
    // Nothing is made behind the two that are held.
    const held = [await loader.next(), await loader.next()];
    const values = await scrape(server.url);
    const { transforms, workerBusyMs, exposure, withForeground } = loader.metrics();
    expect(values.get('voxfeed_batches_total{stream="training"}')).toBe(2);
    expect(values.get('voxfeed_samples_total{stream="training"}')).toBe(12);
    expect(values.get('voxfeed_samples_with_foreground_total{stream="training"}')).toBe(withForeground);
    expect(values.get('voxfeed_ring_batches{stream="training",state="held"}')).toBe(2);
    expect(values.get('voxfeed_transform_samples_total{transform="gamma"}')).toBe(transforms.gamma.samples);
    expect(values.get('voxfeed_transform_seconds_total{transform="gamma"}')).toBeCloseTo(transforms.gamma.ms / 1000, 9);
    expect(values.get('voxfeed_worker_busy_seconds_total')).toBeCloseTo(workerBusyMs / 1000, 9);
    expect(values.get('voxfeed_exposure_ratio{stream="training",class="one"}')).toBe(exposure.one.realised);
    expect(values.get('voxfeed_workers')).toBe(2);
    expect(values.get('voxfeed_memory_bytes{part="ring"}')).toBe(loader.memory().parts[0].bytes);
    expect(values.get('voxfeed_stage_seconds_total{stage="read"}')).toBeGreaterThan(0);
    for (const mode of ['user', 'system']) expect(values.get(`process_cpu_time_seconds_total{cpu_mode="${mode}"}`)).toBeGreaterThan(0);
    for (const name of ['process_memory_usage_bytes', 'process_uptime_seconds', 'nodejs_eventloop_utilization_ratio'])
      expect(values.get(name), name).toBeGreaterThan(0);
    for (const batch of held) batch.dispose();
  });

  it('answers to nothing else, and refuses a port that is taken', async () => {
    using server = await serveMetrics(0);
    expect((await fetch(new URL('/', server.url))).status).toBe(404);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${server.url}?by=prometheus`)).status).toBe(200);
    // A page of another site whose name leads here.
    const asked = await new Promise<number | undefined>((resolve, reject) => {
      get(server.url, { headers: { host: 'example.org' } }, ({ statusCode }) => resolve(statusCode)).on('error', reject);
    });
    expect(asked).toBe(403);
    const port = Number(new URL(server.url).port);
    await expect(serveMetrics(port)).rejects.toThrow(`metricsPort: ${port}: another process listens there`);
  });

  it('is served by commands that are asked for it, until they end', async () => {
    const { dir } = await loaderFixture();
    const run = commandLine(dir);
    const words = ['bench', 'store', '--patch', '8,9,10', '--batch', '2', '--batches', '2', '--workers', '1'];
    const { status, stderr } = await run(...words, '--metrics-port', '0');
    expect(status).toBe(0);
    const [, url] = /^metrics: (http:\S+)$/m.exec(stderr) ?? [];
    await expect(fetch(url)).rejects.toThrow();
    using server = await serveMetrics(0);
    const taken = await run(...words, '--metrics-port', new URL(server.url).port);
    expect(taken.status).toBe(1);
    expect(taken.stderr).toMatch(/^error: --metrics-port: \d+: another process listens there/);
    expect((await run(...words, '--metrics-port', '70000')).status).toBe(2);
  });
});
