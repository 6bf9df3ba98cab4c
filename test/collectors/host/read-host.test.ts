import { afterEach, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { ManualClock, SystemClock } from '../../../src/core/clock.ts';
import { formatFloat } from '../../../src/core/number-format.ts';
import { HostCollector } from '../../../src/collectors/host/host-collector.ts';
import { parseMounts } from '../../../src/collectors/host/filesystems.ts';
import { cpuFamilies, diskFamilies, memoryFamilies, networkFamilies } from '../../../src/collectors/host/proc-files.ts';
import type { HostFamily } from '../../../src/collectors/host/host-family.ts';
import { hostPage, readHost } from '../../../src/collectors/host/read-host.ts';
import { parsePage } from '../../../src/formats/page-parser.ts';
import { describeWhere } from '../../../testbed/skip.ts';
import { reservePort } from '../../../testbed/free-port.ts';
import { RecordingWriter } from '../../fakes/recording-writer.ts';

function flat(families: readonly HostFamily[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const { name, samples } of families)
    for (const { labels, value } of samples) out[[name, ...Object.values(labels)].join(' ')] = formatFloat(value);
  return out;
}

describe('files of /proc', () => {
  it('stat: seconds of each processor in each mode', () => {
    const read = flat(cpuFamilies('cpu  10 20\ncpu0 100 200 300 400 500 600 700 800 0 0\nintr 5\nbtime 1700000000\nprocs_blocked 2\n'));
    expect(read).toMatchObject({
      'node_cpu_seconds_total 0 user': '1',
      'node_cpu_seconds_total 0 idle': '4',
      'node_cpu_seconds_total 0 steal': '8',
    });
    expect(read).toMatchObject({ node_boot_time_seconds: '1700000000', node_procs_blocked: '2' });
  });

  it('meminfo: bytes, and counts where there is no unit', () => {
    const read = flat(memoryFamilies('MemTotal:       1024 kB\nActive(anon):   2 kB\nHugePages_Total:       3\n'));
    expect(read).toEqual({
      node_memory_MemTotal_bytes: '1048576',
      node_memory_Active_anon_bytes: '2048',
      node_memory_HugePages_Total: '3',
    });
  });

  it('net/dev: counters by device', () => {
    const text = 'Inter-|   Receive |  Transmit\n face |bytes packets|bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n';
    expect(flat(networkFamilies(text))).toMatchObject({
      'node_network_receive_bytes_total eth0': '1',
      'node_network_transmit_bytes_total eth0': '9',
      'node_network_transmit_compressed_total eth0': '16',
    });
  });

  it('diskstats: bytes and seconds by device, partitions left out', () => {
    const read = flat(diskFamilies('   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n'));
    expect(read).toMatchObject({ 'node_disk_read_bytes_total sda': '1536', 'node_disk_io_time_seconds_total sda': '0.01' });
    expect(Object.keys(read).filter((key) => key.endsWith('sda1'))).toEqual([]);
  });

  it('mounts: disks only, blanks in paths, the last mount of a path', () => {
    const text =
      '/dev/a /data\\040x ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\noverlay / overlay rw 0 0\n/dev/b /data\\040x xfs ro 0 0\n';
    expect(parseMounts(text)).toEqual([{ device: '/dev/b', mountpoint: '/data x', fstype: 'xfs', readonly: true }]);
  });
});

describe('this host', () => {
  it('is a page that the parser of exporters reads', async () => {
    const families = await readHost('/proc', new SystemClock());
    const page = parsePage(Buffer.from(hostPage(families)), 'text');
    expect(page.layout.series.length).toBe(families.reduce((sum, { samples }) => sum + samples.length, 0));
    expect(page.layout.series.map((series) => series.metricName)).toEqual(
      expect.arrayContaining(['node_cpu_seconds_total', 'node_load1', 'node_filefd_maximum']),
    );
  });

  it('says which parts could not be read instead of failing', async () => {
    const read = flat(await readHost('/nowhere', new SystemClock()));
    expect(read).toMatchObject({ 'node_scrape_collector_success stat': '0', 'node_scrape_collector_success filesystem': '0' });
  });

  it('is written as rows of one layout', async () => {
    const writer = new RecordingWriter();
    const clock = new ManualClock();
    const collector = new HostCollector({ instance: 'here', cluster: 'orders', intervalMs: 1000, writer, clock });
    await collector.run(1000);
    await collector.run(2000);
    expect(writer.rows[1]?.layout).toBe(writer.rows[0]?.layout);
    expect(writer.last?.samples.get('up{cluster="orders", instance="here", job="node"}')).toBe(1);
  });
});

const exporterPath = spawnSync('which', ['prometheus-node-exporter'], { encoding: 'utf8' }).stdout.trim();

describeWhere(
  exporterPath === '' ? 'needs prometheus-node-exporter (apt-get install prometheus-node-exporter)' : undefined,
  'beside the real node_exporter',
  () => {
    let exporter: ChildProcess | undefined;
    afterEach(async () => {
      const running = exporter;
      if (running === undefined) return;
      const gone = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGKILL');
      await gone;
    });

    it('uses the same names and labels for the same things', async () => {
      const reserved = await reservePort();
      const { port } = reserved;
      exporter = spawn(exporterPath, [`--web.listen-address=127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
      await new Promise<void>((resolve) => exporter?.stderr?.on('data', (text) => /Listening|listening/.test(String(text)) && resolve()));
      await reserved.release();
      const theirs = new Set<string>();
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      for (const series of parsePage(Buffer.from(text), 'text').layout.series) theirs.add(series.toString());
      const ours = parsePage(Buffer.from(hostPage(await readHost('/proc', new SystemClock()))), 'text').layout.series.map((series) =>
        series.toString(),
      );
      const families = /^node_(cpu_seconds_total|memory_|load|filefd_|vmstat_oom_kill|boot_time)/;
      const missing = ours.filter((series) => families.test(series) && !theirs.has(series));
      expect(missing).toEqual([]);
      expect(ours.filter((series) => families.test(series)).length).toBeGreaterThan(40);
      // Devices and mounts are seen through other files by the two, so only names and label names are compared.
      const shapes = (all: Iterable<string>): Set<string> => new Set([...all].map((series) => series.replaceAll(/"(?:[^"\\]|\\.)*"/g, '')));
      const theirShapes = shapes(theirs);
      const oddShapes = [...shapes(ours)].filter((shape) => shape.startsWith('node_filesystem_') && !theirShapes.has(shape));
      expect([...theirShapes].some((shape) => shape.startsWith('node_filesystem_')) ? oddShapes : []).toEqual([]);
    });
  },
);
