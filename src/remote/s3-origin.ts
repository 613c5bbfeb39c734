import type { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { FileError, OptionError, StoreError } from '../common/errors.ts';
import { type Incoming, missing, type Origin, PassingError, reasonOf } from './origin.ts';

/** As much as is used of the package. */
interface Sdk {
  S3Client: typeof S3Client;
  GetObjectCommand: typeof GetObjectCommand;
}

const CREDENTIALS = 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or whatever else the AWS SDK takes them from';
const PASSING = ['RequestTimeout', 'SlowDown', 'Throttling', 'ThrottlingException', 'TooManyRequestsException'];
/** What credentials are called that are missing or wrong. */
const UNKNOWN = ['CredentialsProviderError', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken', 'InvalidToken', 'AccessDenied'];

/**
 * A bucket, and what names begin with in it. Credentials, region and endpoint come from the environment, as the AWS SDK has them
 * (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …).
 */
export class S3Origin implements Origin {
  readonly #address: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;

  /** @param address s3://bucket/prefix, without a / at the end. @throws OptionError where the package is not installed */
  static async create(address: string): Promise<S3Origin> {
    let sdk: Sdk;
    try {
      sdk = await import('@aws-sdk/client-s3');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
      throw new OptionError(
        'store',
        `${address} needs the package @aws-sdk/client-s3, which is not installed`,
        'Install it beside voxfeed: npm install @aws-sdk/client-s3',
        { cause: error },
      );
    }
    return new S3Origin(address, sdk);
  }

  constructor(address: string, sdk: Sdk) {
    this.#address = address;
    const { host, pathname } = new URL(address);
    this.#bucket = host;
    this.#prefix = decodeURIComponent(pathname.slice(1));
    this.#sdk = sdk;
    const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
    // Servers other than Amazon's have no name for each bucket, and mostly one region.
    const own = (AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL) !== undefined;
    const region = AWS_REGION ?? AWS_DEFAULT_REGION ?? (own ? 'us-east-1' : undefined);
    this.#client = new sdk.S3Client({ maxAttempts: 1, ...(own && { forcePathStyle: true }), ...(region !== undefined && { region }) });
  }

  place(name: string): string {
    return `${this.#address}/${name}`;
  }

  async open(name: string, from: number, signal: AbortSignal): Promise<Incoming> {
    const Key = this.#prefix === '' ? name : `${this.#prefix}/${name}`;
    const command = new this.#sdk.GetObjectCommand({ Bucket: this.#bucket, Key, ...(from > 0 && { Range: `bytes=${from}-` }) });
    try {
      const { ETag, ContentLength, ContentRange, Body } = await this.#client.send(command, { abortSignal: signal });
      const range = /^bytes (\d+)-\d*\/(\d+)$/.exec(ContentRange ?? '');
      return {
        etag: ETag ?? null,
        from: range === null ? 0 : Number(range[1]),
        bytes: range === null ? (ContentLength ?? null) : Number(range[2]),
        body: Body as unknown as AsyncIterable<Uint8Array>,
      };
    } catch (error) {
      throw refusalOf(this.place(name), error);
    }
  }
}

function refusalOf(place: string, error: unknown): Error {
  const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  const said = `${name}${status === undefined ? '' : `, HTTP ${status}`}`;
  if (UNKNOWN.includes(name) || status === 401 || status === 403)
    return new FileError(place, `it may not be read: ${reasonOf(error)} (${said})`, CREDENTIALS, { cause: error });
  if (status === 404) return missing(place, said, error);
  if (status === 416) return new StoreError(place, `it was changed while it was read (${said})`, 'Open the store again', { cause: error });
  // Without a status, nobody answered, or the SDK was not set up: it says which.
  if (status === undefined && /region/i.test(reasonOf(error)))
    return new FileError(place, reasonOf(error), 'Set AWS_REGION', { cause: error });
  if (status === undefined || status >= 500 || PASSING.includes(name))
    return new PassingError(`${reasonOf(error)} (${said})`, 0, { cause: error });
  return new FileError(place, `${reasonOf(error)} (${said})`, 'Check the address', { cause: error });
}
