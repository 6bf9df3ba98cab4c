import { statfs } from 'node:fs/promises';
import { delay, type Clock } from '../../core/clock.ts';
import { family, type HostFamily, type HostSample } from './host-family.ts';

interface Mount {
  readonly device: string;
  readonly mountpoint: string;
  readonly fstype: string;
  readonly readonly: boolean;
}

/** A dead network mount answers never; its figures are then an error, and the others are not held up. */
const STATFS_TIMEOUT_MS = 2000;

// node_exporter's defaults: mounts that are no disk of the host.
const IGNORED_TYPES = new RegExp(
  `^(${[
    'autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs',
    'fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs',
    'pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs',
  ].join('|')})$`,
);
const IGNORED_MOUNTS = /^\/(dev|proc|run\/credentials\/.+|sys|var\/lib\/docker\/.+|var\/lib\/containers\/storage\/.+)($|\/)/;

/** /proc/self/mounts, one line a mount; blanks in paths are written as octal escapes. */
export function parseMounts(text: string): readonly Mount[] {
  const mounts = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    const [device = '', mountpoint = '', fstype = '', options = ''] = line.split(' ').map(unescapeOctal);
    if (mountpoint === '' || IGNORED_TYPES.test(fstype) || IGNORED_MOUNTS.test(mountpoint)) continue;
    // The last mount on a path is the one that is seen there.
    mounts.set(mountpoint, { device, mountpoint, fstype, readonly: options.split(',').includes('ro') });
  }
  return [...mounts.values()];
}

function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

const FIELDS = [
  ['node_filesystem_size_bytes', 'Size in bytes.'],
  ['node_filesystem_free_bytes', 'Free space in bytes.'],
  ['node_filesystem_avail_bytes', 'Space in bytes that is free for others than root.'],
  ['node_filesystem_files', 'File nodes in all.'],
  ['node_filesystem_files_free', 'File nodes free.'],
] as const;

/** Sizes and file nodes of every real mount. */
export async function filesystemFamilies(mountsText: string, clock: Clock): Promise<readonly HostFamily[]> {
  const values: HostSample[][] = FIELDS.map(() => []);
  const readOnly: HostSample[] = [];
  const errors: HostSample[] = [];
  await Promise.all(
    parseMounts(mountsText).map(async ({ device, mountpoint, fstype, readonly }) => {
      const labels = { device, fstype, mountpoint };
      readOnly.push({ labels, value: readonly ? 1 : 0 });
      const sizes = await sizesOf(mountpoint, clock);
      errors.push({ labels, value: sizes === undefined ? 1 : 0 });
      for (const [i, value] of (sizes ?? []).entries()) values[i]?.push({ labels, value });
    }),
  );
  return [
    ...FIELDS.map(([name, help], i) => family(name, 'gauge', `Filesystem: ${help}`, sorted(values[i] ?? []))),
    family('node_filesystem_readonly', 'gauge', 'Filesystem: 1 when mounted read-only.', sorted(readOnly)),
    family('node_filesystem_device_error', 'gauge', 'Filesystem: 1 when its figures could not be read.', sorted(errors)),
  ];
}

async function sizesOf(mountpoint: string, clock: Clock): Promise<readonly number[] | undefined> {
  const cancel = new AbortController();
  const overdue = delay(clock, STATFS_TIMEOUT_MS, cancel.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    const stats = await Promise.race([statfs(mountpoint), overdue]);
    if (stats === undefined) return undefined;
    return [stats.blocks * stats.bsize, stats.bfree * stats.bsize, stats.bavail * stats.bsize, stats.files, stats.ffree];
  } catch {
    // Not readable or gone: told by node_filesystem_device_error.
    return undefined;
  } finally {
    cancel.abort();
  }
}

/** Mounts answer in any order; rows keep theirs, so that the layout stays the same. */
function sorted(samples: readonly HostSample[]): readonly HostSample[] {
  return samples.toSorted((a, b) => ((a.labels['mountpoint'] ?? '') < (b.labels['mountpoint'] ?? '') ? -1 : 1));
}
