import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** What `.ci/minio` builds. */
const PROGRAM = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'voxfeed-minio/minio');
const USER = 'voxfeed';
const PASSWORD = 'voxfeed-secret';

/** A MinIO of our own, in a process of its own, with one bucket. */
export class Minio implements AsyncDisposable {
  readonly bucket = 'stores';
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #client: S3Client;

  static async start(): Promise<Minio> {
    const port = await freePort();
    const child = spawn(PROGRAM, ['server', temporaryFolder(), '--address', `127.0.0.1:${port}`, '--quiet'], {
      env: { ...process.env, MINIO_ROOT_USER: USER, MINIO_ROOT_PASSWORD: PASSWORD },
      stdio: 'ignore',
    });
    await once(child, 'spawn');
    const minio = new Minio(child, port);
    const isUp = (): Promise<boolean> =>
      fetch(`${minio.endpoint}/minio/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isUp())) {
      if (child.exitCode !== null) throw new Error(`MinIO ended with ${child.exitCode}`);
      await pause(50);
    }
    await minio.#client.send(new CreateBucketCommand({ Bucket: minio.bucket }));
    return minio;
  }

  private constructor(child: ChildProcess, port: number) {
    this.port = port;
    this.#process = child;
    this.#client = new S3Client({
      endpoint: this.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: USER, secretAccessKey: PASSWORD },
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What programs find in their environment that may read everything. */
  get environment(): Record<string, string> {
    return { AWS_ENDPOINT_URL: this.endpoint, AWS_ACCESS_KEY_ID: USER, AWS_SECRET_ACCESS_KEY: PASSWORD };
  }

  /** Copies a folder there. @returns its address */
  async upload(dir: string, prefix: string): Promise<string> {
    for (const name of readdirSync(dir)) await this.put(`${prefix}/${name}`, readFileSync(join(dir, name)));
    return `s3://${this.bucket}/${prefix}`;
  }

  async put(key: string, contents: Buffer): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: contents }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill();
    await once(this.#process, 'exit');
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
