import { family, type HostFamily, type HostSample, single } from './host-family.ts';

// What the files of /proc hold is described in proc(5); the names are node_exporter's.

/** Clock ticks a second of /proc/stat, which Linux fixes at 100 for user space on every architecture. */
const USER_HZ = 100;
const SECTOR_BYTES = 512;
const CPU_MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;

/** /proc/stat: seconds by processor and mode, boot time. */
export function cpuFamilies(text: string): readonly HostFamily[] {
  const samples: HostSample[] = [];
  const families: HostFamily[] = [];
  for (const line of text.split('\n')) {
    const [key = '', ...fields] = line.trim().split(/\s+/);
    const cpu = /^cpu(\d+)$/.exec(key)?.[1];
    if (cpu !== undefined) {
      for (const [i, mode] of CPU_MODES.entries()) samples.push({ labels: { cpu, mode }, value: Number(fields[i] ?? 0) / USER_HZ });
    } else if (key === 'btime') families.push(single('node_boot_time_seconds', 'gauge', 'Unix time of the last boot.', Number(fields[0])));
    else if (key === 'procs_blocked') families.push(single('node_procs_blocked', 'gauge', 'Processes waiting for I/O.', Number(fields[0])));
  }
  return [family('node_cpu_seconds_total', 'counter', 'Seconds the processors spent in each mode.', samples), ...families];
}

/** /proc/meminfo: every field, kilobytes made bytes. */
export function memoryFamilies(text: string): readonly HostFamily[] {
  const families: HostFamily[] = [];
  for (const [, key = '', value, unit] of text.matchAll(/^([\w()]+):\s+(\d+)( kB)?$/gm)) {
    const name = key.replaceAll('(', '_').replaceAll(')', '');
    const suffix = unit === undefined ? '' : '_bytes';
    families.push(
      single(
        `node_memory_${name}${suffix}`,
        'gauge',
        `Memory information field ${name}${suffix}.`,
        Number(value) * (unit === undefined ? 1 : 1024),
      ),
    );
  }
  return families;
}

/** /proc/loadavg. */
export function loadFamilies(text: string): readonly HostFamily[] {
  const fields = text.trim().split(/\s+/);
  return ['1', '5', '15'].map((minutes, i) => single(`node_load${minutes}`, 'gauge', `${minutes}m load average.`, Number(fields[i])));
}

/** /proc/sys/fs/file-nr. */
export function fileDescriptorFamilies(text: string): readonly HostFamily[] {
  const [allocated, , maximum] = text.trim().split(/\s+/);
  return [
    single('node_filefd_allocated', 'gauge', 'File descriptors in use on the host.', Number(allocated)),
    single('node_filefd_maximum', 'gauge', 'File descriptors there may be on the host.', Number(maximum)),
  ];
}

const VMSTAT_FIELDS = ['oom_kill', 'pgmajfault', 'pgpgin', 'pgpgout', 'pswpin', 'pswpout'];

/** /proc/vmstat: the fields node_exporter takes by default. */
export function vmstatFamilies(text: string): readonly HostFamily[] {
  const families: HostFamily[] = [];
  for (const [, key = '', value] of text.matchAll(/^(\w+) (\d+)$/gm)) {
    if (VMSTAT_FIELDS.includes(key)) families.push(single(`node_vmstat_${key}`, 'counter', `/proc/vmstat field ${key}.`, Number(value)));
  }
  return families;
}

const NETWORK_FIELDS = [
  'receive_bytes',
  'receive_packets',
  'receive_errs',
  'receive_drop',
  'receive_fifo',
  'receive_frame',
  'receive_compressed',
  'receive_multicast',
  'transmit_bytes',
  'transmit_packets',
  'transmit_errs',
  'transmit_drop',
  'transmit_fifo',
  'transmit_colls',
  'transmit_carrier',
  'transmit_compressed',
];

/** /proc/net/dev: counters by device. */
export function networkFamilies(text: string): readonly HostFamily[] {
  const samples: HostSample[][] = NETWORK_FIELDS.map(() => []);
  for (const [, device = '', rest = ''] of text.matchAll(/^\s*([^\s:|]+):\s*(.+)$/gm)) {
    const fields = rest.trim().split(/\s+/);
    for (const [i, list] of samples.entries()) list.push({ labels: { device }, value: Number(fields[i] ?? 0) });
  }
  return NETWORK_FIELDS.map((field, i) =>
    family(`node_network_${field}_total`, 'counter', `Network device statistic ${field}.`, samples[i] ?? []),
  );
}

/** Partitions and devices that hold no disk of their own, as node_exporter leaves them out. */
const IGNORED_DISKS = /^((z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+)$/;

/** Column in /proc/diskstats (after major, minor, name), name, help, factor. */
const DISK_FIELDS: readonly (readonly [number, string, HostFamily['type'], string, number])[] = [
  [0, 'node_disk_reads_completed_total', 'counter', 'Reads completed.', 1],
  [2, 'node_disk_read_bytes_total', 'counter', 'Bytes read.', SECTOR_BYTES],
  [3, 'node_disk_read_time_seconds_total', 'counter', 'Seconds spent by all reads.', 0.001],
  [4, 'node_disk_writes_completed_total', 'counter', 'Writes completed.', 1],
  [6, 'node_disk_written_bytes_total', 'counter', 'Bytes written.', SECTOR_BYTES],
  [7, 'node_disk_write_time_seconds_total', 'counter', 'Seconds spent by all writes.', 0.001],
  [8, 'node_disk_io_now', 'gauge', 'I/Os in progress.', 1],
  [9, 'node_disk_io_time_seconds_total', 'counter', 'Seconds spent doing I/O.', 0.001],
  [10, 'node_disk_io_time_weighted_seconds_total', 'counter', 'Seconds spent doing I/O, weighted.', 0.001],
];

/** /proc/diskstats: counters by device. */
export function diskFamilies(text: string): readonly HostFamily[] {
  const samples: HostSample[][] = DISK_FIELDS.map(() => []);
  for (const line of text.split('\n')) {
    const [, , device = '', ...fields] = line.trim().split(/\s+/);
    if (device === '' || IGNORED_DISKS.test(device)) continue;
    for (const [i, [column, , , , factor]] of DISK_FIELDS.entries())
      samples[i]?.push({ labels: { device }, value: Number(fields[column] ?? 0) * factor });
  }
  return DISK_FIELDS.map(([, name, type, help], i) => family(name, type, help, samples[i] ?? []));
}
