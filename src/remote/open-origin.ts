import { OptionError } from '../common/errors.ts';
import { isAddress } from '../common/names.ts';
import { FolderOrigin } from './folder-origin.ts';
import { isGuarded, type Origin } from './origin.ts';

/** Where the files of a store come from. @param dir a folder, or an address. @throws OptionError for an address that is not understood */
export async function openOrigin(dir: string): Promise<Origin> {
  if (!isAddress(dir)) return new FolderOrigin(dir);
  const address = checkedAddress(dir);
  // Whoever has another kind of store loads none of it.
  if (address.startsWith('s3:')) return (await import('./s3-origin.ts')).S3Origin.create(address);
  return new (await import('./http-origin.ts')).HttpOrigin(address);
}

/** Without a / at the end. @throws OptionError */
export function checkedAddress(text: string): string {
  const refuse = (what: string, action: string): never => {
    throw new OptionError('store', what, action);
  };
  const url = URL.canParse(text) ? new URL(text) : refuse(`${text} is not an address`, 'Give https://host/folder or s3://bucket/folder');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    refuse(
      `the address of ${url.host} has more than a host and a folder`,
      'Leave user, password, ? and # out: what is secret comes from the environment, see docs/storage.md',
    );
  if (!['https:', 'http:', 's3:'].includes(url.protocol) || url.host === '')
    refuse(`${text} is of a kind that is not known`, 'Give a folder, or https://host/folder, or s3://bucket/folder');
  if (url.protocol === 'http:' && !isGuarded(url))
    refuse(`${text} is not encrypted`, 'Use https://; http:// is for this machine alone (localhost)');
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}
