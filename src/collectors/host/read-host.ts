import { readFile } from 'node:fs/promises';
import { arch, hostname, release, type as systemType } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { writeExposition } from '../../formats/write-exposition.ts';
import { filesystemFamilies } from './filesystems.ts';
import { family, type HostFamily, single } from './host-family.ts';
import {
  cpuFamilies,
  diskFamilies,
  fileDescriptorFamilies,
  loadFamilies,
  memoryFamilies,
  networkFamilies,
  vmstatFamilies,
} from './proc-files.ts';

const PARSERS: readonly (readonly [string, (text: string) => readonly HostFamily[]])[] = [
  ['stat', cpuFamilies],
  ['meminfo', memoryFamilies],
  ['loadavg', loadFamilies],
  ['sys/fs/file-nr', fileDescriptorFamilies],
  ['vmstat', vmstatFamilies],
  ['net/dev', networkFamilies],
  ['diskstats', diskFamilies],
];

/**
 * This host's metrics under node_exporter's names, read from /proc and statfs; no process is started. A file that
 * cannot be read gives `node_scrape_collector_success{collector} 0` and nothing else of its kind.
 */
export async function readHost(procPath: string, clock: Clock): Promise<readonly HostFamily[]> {
  const success: { labels: Record<string, string>; value: number }[] = [];
  const families: HostFamily[] = [];
  for (const [file, parse] of PARSERS) {
    const text = await readText(join(procPath, file));
    success.push({ labels: { collector: file }, value: text === undefined ? 0 : 1 });
    if (text !== undefined) families.push(...parse(text));
  }
  const mounts = await readText(join(procPath, 'self/mounts'));
  success.push({ labels: { collector: 'filesystem' }, value: mounts === undefined ? 0 : 1 });
  if (mounts !== undefined) families.push(...(await filesystemFamilies(mounts, clock)));
  const uname = { sysname: systemType(), release: release(), nodename: hostname(), machine: arch() };
  return [
    ...families.filter(({ samples }) => samples.length > 0),
    single('node_time_seconds', 'gauge', 'Unix time of this host.', clock.wall() / 1000),
    family('node_uname_info', 'gauge', 'What the host is.', [{ labels: uname, value: 1 }]),
    family('node_scrape_collector_success', 'gauge', '1 when this part could be read.', success),
  ];
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Told by node_scrape_collector_success.
    return undefined;
  }
}

/** The page `belfry agent` serves. */
export function hostPage(families: readonly HostFamily[]): string {
  return writeExposition(
    families.map(({ samples, ...rest }) => ({
      ...rest,
      samples: samples.map(({ labels, value }) => ({ labels: Object.entries(labels), value })),
    })),
  );
}
