import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { MissingToolError } from '../../testbed/kafka-dist.ts';
import { countOf, type Bench, type BenchContext, type BenchReport, type Figure, type Table } from '../bench.ts';
import { captureReal } from './capture.ts';
import { encode, nameBytes, overheadBytes, type EncodeResult } from './encode.ts';
import { versionOf } from '../peer-prometheus.ts';
import { prometheusBlocks, type PeerBlocks } from './prometheus-peer.ts';
import { fleetSource, sourceOf, type Source } from './source.ts';

/** As many as a block has; a few rows more than one are left over. */
const ROWS = 120;
const FLEET_TARGETS = 20;
const QUICK_FLEET_TARGETS = 6;
/** So long --quick reads real pages at most: with the broker's start and the encoding it stays below a minute. */
const QUICK_CAPTURE_MS = 20_000;

const HELP = `blocks: bytes a sample in samples.db, of real pages and of the simulated fleet; Prometheus's own blocks beside them.

Usage: npm run bench -- blocks [--quick] [options]

  --rows N       scrapes of each source (${ROWS})
  --interval MS  between two scrapes (5000; 250 with --quick)
  --fleet-only   no broker and no node_exporter
  --no-peer      without promtool, also where it is installed

A real broker is written to and read from at changing rates, and scraped through jmx_exporter's agent without rules of its own; what
the usual rules leave of those pages is told besides. node_exporter is this host's. The pages are stored by the store's own
code. --quick has fewer partitions and targets, and reads real pages for ${QUICK_CAPTURE_MS / 1000} s at most. What grows more slowly takes fewer bytes: figures of a short interval are a little below those of a long one.
`;

interface Measured {
  readonly own: EncodeResult;
  readonly peer: PeerBlocks | undefined;
}

export const blocks: Bench = {
  name: 'blocks',
  summary: 'bytes a sample on disk, of real JMX and node_exporter pages and of the fleet; Prometheus beside it',
  help: HELP,
  options: {
    rows: { type: 'string' },
    interval: { type: 'string' },
    'fleet-only': { type: 'boolean', default: false },
    'no-peer': { type: 'boolean', default: false },
  },
  run,
};

async function run(context: BenchContext): Promise<BenchReport> {
  const { values, quick } = context;
  const rows = Math.max(2, countOf('--rows', values['rows'], ROWS));
  const intervalMs = countOf('--interval', values['interval'], quick ? 250 : 5000);
  const notes: string[] = [];
  const sources: Source[] = [fleetSource(quick ? QUICK_FLEET_TARGETS : FLEET_TARGETS, rows, Date.now())];
  if (values['fleet-only'] !== true) sources.push(...(await realSources(rows, intervalMs, context, notes)));
  const version = values['no-peer'] === true ? undefined : versionOf('promtool');
  if (version === undefined) notes.push('without Prometheus');
  const dir = await makeTempDir();
  try {
    const measured: Measured[] = [];
    for (const source of sources) {
      context.progress(source.name);
      const own = encode(source, dir);
      measured.push({ own, peer: version === undefined ? undefined : await prometheusBlocks(source, dir) });
    }
    return reportOf(measured, version, [...notes, ...notesOf(measured)]);
  } finally {
    await removeTempDir(dir);
  }
}

async function realSources(rows: number, intervalMs: number, context: BenchContext, notes: string[]): Promise<readonly Source[]> {
  context.progress('a broker');
  try {
    const captures = await captureReal({ rows, intervalMs, captureMsMax: context.quick ? QUICK_CAPTURE_MS : Infinity, context });
    notes.push(`real pages: ${captures[0]?.scrapes.length} scrapes, one every ${intervalMs} ms`);
    if (captures.length < 3) notes.push('no node_exporter is installed');
    return captures.map(sourceOf);
  } catch (error) {
    if (!(error instanceof MissingToolError)) throw error;
    notes.push(`no real pages: ${error.message}`);
    return [];
  }
}

function reportOf(measured: readonly Measured[], version: string | undefined, notes: readonly string[]): BenchReport {
  const figures = measured.map(({ own }): Figure => ({
    name: own.name,
    value: Math.round((1000 * own.blockBytes) / own.blockSamples),
    unit: 'B a thousand samples',
  }));
  return { tables: [mainTable(measured, version), kindsTable(measured)], notes, figures, results: { measured } };
}

function mainTable(measured: readonly Measured[], version: string | undefined): Table {
  const peer = version === undefined ? 'no Prometheus' : `Prometheus ${version}: chunks`;
  return {
    title: 'Bytes a sample',
    columns: ['', 'series', 'samples', 'blocks', 'SQLite', 'flush log', 'names a series', peer, 'with index', 'ns CPU'],
    rows: measured.map(({ own, peer: theirs }) => {
      const each = (bytes: number): string => (bytes / own.samples).toFixed(3);
      return [
        own.name,
        String(own.series),
        String(own.samples),
        (own.blockBytes / own.blockSamples).toFixed(3),
        (overheadBytes(own) / own.storedSamples).toFixed(3),
        (own.logBytes / own.samples).toFixed(3),
        (nameBytes(own) / own.series).toFixed(0),
        theirs === undefined ? '-' : each(theirs.chunkBytes),
        theirs === undefined ? '-' : each(theirs.bytes),
        own.cpuNsASample.toFixed(0),
      ];
    }),
  };
}

function kindsTable(measured: readonly Measured[]): Table {
  return {
    title: 'By kind of column, of one block, before it is compressed whole',
    columns: ['', 'columns', 'bytes a sample', 'of all bytes', 'scatter around a line'],
    rows: measured.flatMap(({ own }) => {
      const all = own.kinds.reduce((sum, { bytes }) => sum + bytes, 0);
      return own.kinds.map(({ kind, columns, samples, bytes, scatterBits }) => [
        `${own.name}: ${kind}`,
        String(columns),
        (bytes / samples).toFixed(3),
        `${((100 * bytes) / all).toFixed(0)} %`,
        scatterBits === 0 ? '-' : (scatterBits / 8 / samples).toFixed(3),
      ]);
    }),
  };
}

function notesOf(measured: readonly Measured[]): readonly string[] {
  const fleet = measured[0]?.own;
  if (fleet === undefined) return [];
  const bits = fleet.kinds.reduce((sum, { scatterBits }) => sum + scatterBits, 0);
  const samples = fleet.kinds.reduce((sum, kind) => sum + kind.samples, 0);
  return [
    'blocks: the BLOBs of full blocks; SQLite: what its pages and indexes add; flush log: written once and deleted when blocks are sealed; names: pages of a file that was just begun',
    `the fleet's values scatter evenly and independently around their lines, so that no lossless code comes below ${(bits / 8 / samples).toFixed(3)} bytes a sample`,
    "Prometheus's chunks are made by promtool from the same samples and times; while it scrapes, it moves times to the beat that are within 2 ms of it",
  ];
}
