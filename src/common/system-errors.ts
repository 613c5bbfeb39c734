/** What is wrong, in words, and what to do about it. */
export interface SystemError {
  /** 'ENOSPC'. */
  code: string;
  what: string;
  action: string;
}

const AGAIN = 'then run again';
const KEPT = `${AGAIN}: finished cases are kept`;
const CHECK = 'Check the file and the disk it is on';
const SERVER = `Check the file server and the connection to it, ${AGAIN}`;
const BAD_DISK = `The disk or its file system is damaged: have it checked, copy the file from elsewhere, ${AGAIN}`;
const TOO_LARGE = 'It is larger than can be read: check that it is the right file';
const OCCUPIED = `Wait until nobody else uses it, ${AGAIN}`;

/** What to do. Others are answered with CHECK. */
const ACTIONS: Record<string, string> = {
  ENOENT: 'Check the path',
  EACCES: 'Check who may read and write it',
  EPERM: 'Check who may read and write it',
  EEXIST: 'A folder was expected there, not a file',
  ENOTDIR: 'A part of the path is a file, not a folder',
  EROFS: 'It cannot be written to: choose another place',
  EISDIR: 'A file was expected there, not a folder',
  ENOSPC: `Free some space or choose another folder, ${KEPT}`,
  EFBIG: `The file may not grow that large here (see \`ulimit -f\`): choose another folder, ${KEPT}`,
  EMFILE: 'Too many files are open: raise `ulimit -n`',
  ENFILE: 'Too many files are open on this machine: end other programs',
  ELOOP: 'A symbolic link on the path leads in a circle, or stands in the place of a file that is to be written: remove it',
  ENAMETOOLONG: 'Choose a shorter path',
  ENOMEM: 'Free some memory, or use fewer workers',
  EILSEQ: 'The file system takes no such name: choose another',
  EIO: BAD_DISK,
  ENODATA: BAD_DISK,
  ETIMEDOUT: SERVER,
  EREMOTEIO: SERVER,
  EHOSTDOWN: SERVER,
  ETXTBSY: OCCUPIED,
  EBUSY: OCCUPIED,
  ERR_OUT_OF_RANGE: TOO_LARGE,
  ERR_FS_FILE_TOO_LARGE: TOO_LARGE,
  ERR_STRING_TOO_LONG: TOO_LARGE,
};

/** Linux's errors that libuv, and so Node, has neither a name nor words for ("Unknown system error -122"). */
const UNNAMED: Record<number, SystemError> = {
  35: { code: 'EDEADLK', what: 'locks wait for one another', action: OCCUPIED },
  37: { code: 'ENOLCK', what: 'no locks available', action: 'Check the lock service of the file server (NFS: `mount -o nolock`)' },
  52: { code: 'EBADE', what: 'invalid exchange', action: SERVER },
  62: { code: 'ETIME', what: 'timer expired', action: SERVER },
  67: { code: 'ENOLINK', what: 'link has been severed', action: SERVER },
  70: { code: 'ECOMM', what: 'communication error on send', action: SERVER },
  72: { code: 'EMULTIHOP', what: 'multihop attempted', action: SERVER },
  74: { code: 'EBADMSG', what: 'bad message: a checksum of the file system does not match', action: BAD_DISK },
  116: { code: 'ESTALE', what: 'stale file handle: the file server no longer knows the file', action: `Mount the folder anew, ${AGAIN}` },
  117: { code: 'EUCLEAN', what: 'the file system needs cleaning', action: BAD_DISK },
  122: {
    code: 'EDQUOT',
    what: 'disk quota exceeded',
    action: `Your quota is used up, whatever the disk has left: free some of it or choose another folder, ${KEPT}`,
  },
  123: { code: 'ENOMEDIUM', what: 'no medium found', action: `Put the medium in, ${AGAIN}` },
  126: { code: 'ENOKEY', what: 'required key not available', action: 'Unlock the encrypted folder' },
  127: { code: 'EKEYEXPIRED', what: 'key has expired', action: 'Log in to the file server again (Kerberos: `kinit`)' },
  128: { code: 'EKEYREVOKED', what: 'key has been revoked', action: 'Log in to the file server again (Kerberos: `kinit`)' },
  129: { code: 'EKEYREJECTED', what: 'key was rejected by the service', action: 'Log in to the file server again (Kerberos: `kinit`)' },
  133: { code: 'EHWPOISON', what: 'memory page has a hardware error', action: BAD_DISK },
};

/** An error of the operating system, or of Node's own limits, as people should read it; null for any other error. */
export function describeSystemError(error: unknown): SystemError | null {
  const { code, errno, message } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  if (typeof code !== 'string') return null;
  if (code.startsWith('Unknown system error')) {
    const number = Math.abs(errno ?? Number.parseInt(code.slice(code.lastIndexOf(' ')), 10));
    const unnamed = process.platform === 'linux' ? UNNAMED[number] : undefined;
    return unnamed ?? { code: `errno ${number}`, what: 'the system reports an error that has no name here', action: CHECK };
  }
  // Not Node's ERR_…: all but these are mistakes of a program, not of a disk.
  if (!/^(E[A-Z0-9]+|ERR_OUT_OF_RANGE|ERR_FS_FILE_TOO_LARGE|ERR_STRING_TOO_LONG)$/.test(code)) return null;
  const what = (message ?? code).replace(/^[A-Z0-9]+: /, '').replace(/, .*$/s, '');
  return { code, what, action: ACTIONS[code] ?? CHECK };
}
