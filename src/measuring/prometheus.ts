import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Counter, Gauge, Registry } from 'prom-client';
import type { VoxfeedEvents } from '../common/channels.ts';
import { OptionError } from '../common/errors.ts';
import type { PatchLoader } from '../loader/loader.ts';
import type { StreamMetrics } from '../loader/metrics.ts';

/** Where metrics are to be had, until it is closed. */
export interface MetricsServer extends Disposable {
  readonly url: string;
}

/** Nobody else's business: not beyond this machine. */
const HOST = '127.0.0.1';

/**
 * Serves the metrics of this process and of its newest loader as Prometheus text. It keeps the process from nothing.
 * @param port 0: any that is free
 * @throws OptionError if the port cannot be had, or prom-client is not installed
 */
export async function serveMetrics(port: number): Promise<MetricsServer> {
  const { Counter, Gauge, Registry } = await import('prom-client').catch((cause: unknown) => {
    throw new OptionError('metricsPort', 'it needs the package prom-client', 'Install it: npm install prom-client', { cause });
  });
  const registry = new Registry();
  let loader: PatchLoader | null = null;
  const meet = (event: unknown): void => {
    loader = (event as VoxfeedEvents['voxfeed:loader']).loader as PatchLoader;
  };
  subscribe('voxfeed:loader', meet);
  const make = { Counter, Gauge };
  for (const metric of PROCESS_METRICS) declare(make, registry, metric, () => metric.read());
  for (const metric of LOADER_METRICS) declare(make, registry, metric, () => (loader === null || loader.closed ? [] : metric.read(loader)));

  const server = createServer(({ method = '', url = '', headers: { host = '' } }, response) => {
    // Another name is that of a web page that had it lead here: nobody else's business.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) {
      response.writeHead(403).end('this is no name of this server\n');
      return;
    }
    if (!['GET', 'HEAD'].includes(method) || url.split('?')[0] !== '/metrics') {
      response.writeHead(404).end('GET /metrics\n');
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      (error: Error) => response.writeHead(500).end(`${error.message}\n`),
    );
  }).unref();
  try {
    await listen(server, port);
  } catch (error) {
    unsubscribe('voxfeed:loader', meet);
    throw error;
  }
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/metrics`,
    [Symbol.dispose]() {
      unsubscribe('voxfeed:loader', meet);
      server.closeAllConnections();
      server.close();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const what = cause.code === 'EADDRINUSE' ? 'another process listens there' : `it cannot be listened on (${cause.message})`;
      reject(new OptionError('metricsPort', `${port}: ${what}`, 'Choose another port, or 0 for any that is free', { cause }));
    });
    server.listen(port, HOST, resolve);
  });
}

type Labels = Record<string, string>;
type Values = [value: number, labels?: Labels][];

/** A metric: read when somebody asks for it. Counters are totals since the loader, or the process, began. */
interface Metric<A extends unknown[]> {
  name: string;
  help: string;
  kind: 'Counter' | 'Gauge';
  labels?: readonly string[];
  read: (...of: A) => Values;
}

function declare(
  make: { Counter: typeof Counter; Gauge: typeof Gauge },
  registry: Registry,
  { name, help, kind, labels = [] }: Metric<never>,
  read: () => Values,
): void {
  const common = { name, help, labelNames: [...labels], registers: [registry] };
  if (kind === 'Gauge')
    new make.Gauge({
      ...common,
      collect() {
        this.reset();
        for (const [value, of = {}] of read()) this.set(of, value);
      },
    });
  else
    new make.Counter({
      ...common,
      collect() {
        this.reset();
        for (const [value, of = {}] of read()) this.inc(of, value);
      },
    });
}

const seconds = (ms: number): number => ms / 1000;

/**
 * Those of OpenTelemetry's semantic conventions, as its exporter spells them for Prometheus: process.cpu.time, process.memory.usage,
 * process.uptime, nodejs.eventloop.utilization.
 */
const PROCESS_METRICS: readonly Metric<[]>[] = [
  {
    name: 'process_cpu_time_seconds_total',
    help: 'CPU seconds of the process, all threads',
    kind: 'Counter',
    labels: ['cpu_mode'],
    read: () => Object.entries(process.cpuUsage()).map(([mode, microseconds]) => [microseconds / 1e6, { cpu_mode: mode }]),
  },
  {
    name: 'process_memory_usage_bytes',
    help: 'Physical memory in use',
    kind: 'Gauge',
    read: () => [[process.memoryUsage.rss()]],
  },
  { name: 'process_uptime_seconds', help: 'Seconds since the process began', kind: 'Gauge', read: () => [[process.uptime()]] },
  {
    name: 'nodejs_eventloop_utilization_ratio',
    help: 'The part of its time that the event loop of the main thread was busy, since it began',
    kind: 'Gauge',
    read: () => [[performance.eventLoopUtilization().utilization]],
  },
];

/** One value a stream. */
const ofStreams =
  (read: (metrics: StreamMetrics) => number) =>
  (loader: PatchLoader): Values =>
    streams(loader).map(([stream, metrics]) => [read(metrics), { stream }]);

function streams(loader: PatchLoader): [string, StreamMetrics][] {
  const both = loader.shared().layout.rings.length > 1;
  return [['training', loader.metrics()], ...(both ? [['validation', loader.validation.metrics()] as [string, StreamMetrics]] : [])];
}

const stream = ['stream'];

const LOADER_METRICS: readonly Metric<[PatchLoader]>[] = [
  { name: 'voxfeed_batches_total', help: 'Batches handed out', kind: 'Counter', labels: stream, read: ofStreams(({ batches }) => batches) },
  { name: 'voxfeed_samples_total', help: 'Samples in them', kind: 'Counter', labels: stream, read: ofStreams(({ patches }) => patches) },
  {
    name: 'voxfeed_samples_with_foreground_total',
    help: 'Samples that hold foreground',
    kind: 'Counter',
    labels: stream,
    read: ofStreams(({ withForeground }) => withForeground),
  },
  {
    name: 'voxfeed_wait_seconds_total',
    help: 'Seconds in which somebody waited for a batch',
    kind: 'Counter',
    labels: stream,
    read: ofStreams(({ waitMs }) => seconds(waitMs)),
  },
  {
    name: 'voxfeed_copy_wait_seconds_total',
    help: 'Of that, seconds in which cases of the batch that came next were copied to the local cache',
    kind: 'Counter',
    labels: stream,
    read: ofStreams(({ copyWaitMs }) => seconds(copyWaitMs)),
  },
  {
    name: 'voxfeed_ring_batches',
    help: 'Batches of the ring by what they are at; the others are free',
    kind: 'Gauge',
    labels: ['stream', 'state'],
    read: (loader) =>
      streams(loader).flatMap(
        ([
          stream,
          {
            ring: { filling, ready, held },
          },
        ]) => Object.entries({ filling, ready, held }).map(([state, count]): Values[number] => [count, { stream, state }]),
      ),
  },
  {
    name: 'voxfeed_exposure_ratio',
    help: 'The part of the samples so far that hold a class with a target exposure',
    kind: 'Gauge',
    labels: ['stream', 'class'],
    read: (loader) =>
      streams(loader).flatMap(([stream, { exposure }]) =>
        Object.entries(exposure).map(([name, { realised }]): Values[number] => [realised, { stream, class: name }]),
      ),
  },
  {
    name: 'voxfeed_stage_seconds_total',
    help: 'Seconds by stage; plan and dispatch in the main thread, the others in workers',
    kind: 'Counter',
    labels: ['stage'],
    read: (loader) => Object.entries(loader.metrics().stages).map(([stage, ms]) => [seconds(ms), { stage }]),
  },
  {
    name: 'voxfeed_transform_seconds_total',
    help: 'Seconds of workers by transform',
    kind: 'Counter',
    labels: ['transform'],
    read: (loader) => Object.entries(loader.metrics().transforms).map(([transform, { ms }]) => [seconds(ms), { transform }]),
  },
  {
    name: 'voxfeed_transform_samples_total',
    help: 'Samples that a transform was drawn for',
    kind: 'Counter',
    labels: ['transform'],
    read: (loader) => Object.entries(loader.metrics().transforms).map(([transform, { samples }]) => [samples, { transform }]),
  },
  {
    name: 'voxfeed_worker_busy_seconds_total',
    help: 'Seconds that workers spent on samples',
    kind: 'Counter',
    read: (loader) => [[seconds(loader.metrics().workerBusyMs)]],
  },
  {
    name: 'voxfeed_worker_cpu_seconds_total',
    help: 'Of those, the seconds that they computed',
    kind: 'Counter',
    read: (loader) => [[seconds(loader.metrics().workerCpuMs)]],
  },
  { name: 'voxfeed_workers', help: 'Worker threads', kind: 'Gauge', read: (loader) => [[loader.metrics().workers]] },
  {
    name: 'voxfeed_worker_restarts_total',
    help: 'Workers that died and were replaced',
    kind: 'Counter',
    read: (loader) => [[loader.metrics().workerRestarts]],
  },
  {
    name: 'voxfeed_samples_redone_total',
    help: 'Samples made again after a failure',
    kind: 'Counter',
    read: (loader) => [[loader.metrics().redone]],
  },
  {
    name: 'voxfeed_memory_bytes',
    help: 'What the loader takes, part by part',
    kind: 'Gauge',
    labels: ['part'],
    read: (loader) => loader.memory().parts.map(({ name, bytes }) => [bytes, { part: name }]),
  },
];
