import { statfsSync } from 'node:fs';
import { BelfryError } from '../../core/errors.ts';

/** Types as statfs(2) gives them (linux/magic.h and the file systems' own headers). Their locks and fsync cannot be relied on. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x564c, 'NCP'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'kAFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x01021997, '9p'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
]);

/** The `type` of the file system a folder lies on. */
export type FileSystemTypeOf = (folder: string) => number;

export const fileSystemType: FileSystemTypeOf = (folder) => statfsSync(folder).type;

/** CONFIG_INVALID for a folder on a network file system. */
export function refuseNetworkFileSystem(folder: string, typeOf: FileSystemTypeOf): void {
  // Node gives the 32 bits of f_type signed on some platforms.
  const name = NETWORK_FILE_SYSTEMS.get(typeOf(folder) >>> 0);
  if (name === undefined) return;
  throw new BelfryError('CONFIG_INVALID', `storage.path ${folder} is on ${name}, a network file system: state needs a local disk`);
}

/** Where a restore keeps the new state until the old one is out of its way. */
export function incomingPath(statePath: string): string {
  return `${statePath}.incoming`;
}
