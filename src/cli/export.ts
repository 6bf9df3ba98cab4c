import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Command } from 'commander';
import { takeFromFile } from '../app/backfill-port.ts';
import { matchersOf } from '../app/query-port.ts';
import { parseDuration } from '../core/duration.ts';
import { BelfryError } from '../core/errors.ts';
import { parseFloatText } from '../core/number-format.ts';
import { parseRfc3339 } from '../core/rfc3339.ts';
import { OPENMETRICS_END } from '../formats/openmetrics-text.ts';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';

interface ExportOptions extends ClientOptions {
  readonly match: readonly string[];
  readonly start?: string;
  readonly end?: string;
  readonly since?: string;
  readonly output?: string;
  readonly 'storage.path'?: string;
}

/** `belfry export --match SELECTOR`: stored samples as OpenMetrics text, to the standard output or a file. */
export function exportCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('export'))
    .description('take history out: OpenMetrics text with a time at every sample')
    .requiredOption('--match <selector...>', 'which series, such as \'{job="kafka"}\'')
    .option('--start <time>', 'from this time on: Unix seconds, or RFC 3339; all that is kept where left out')
    .option('--end <time>', 'up to this time; now where left out')
    .option('--since <duration>', 'instead of --start: the last 6h, 7d …')
    .option('--storage.path <folder>', 'out of this data folder, whether a Belfry runs on it or not')
    .option('--output <file>', 'into a file, packed where it ends in .gz')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        "  belfry export --match 'up' --since 1d > up.om\n" +
        "  belfry export --match 'up' --storage.path data > up.om\n" +
        '  belfry export --match \'{__name__=~"kafka_.+"}\' --output kafka.om.gz\n' +
        '  promtool tsdb create-blocks-from openmetrics up.om prometheus-data',
    )
    .action(async (options: ExportOptions) => {
      const folder = options['storage.path'];
      const text =
        folder === undefined ? fromBelfry(options, context) : fromFolder(resolve(context.workingFolder, folder), options, context);
      if (options.output === undefined) {
        for await (const piece of text) context.out.write(piece);
      } else await writeFile(resolve(context.workingFolder, options.output), text);
    });
}

function fromBelfry(options: ExportOptions, context: CliContext): AsyncGenerator<string, void> {
  const parameters = new URLSearchParams(options.match.map((selector): [string, string] => ['match[]', selector]));
  const start = startOf(options, context);
  if (start !== undefined) parameters.set('start', String(start / 1000));
  if (options.end !== undefined) parameters.set('end', String(timeOf('--end', options.end) / 1000));
  return whole(new BelfryClient(options, context).pieces(`/api/belfry/v1/export?${parameters.toString()}`));
}

function fromFolder(folder: string, options: ExportOptions, context: CliContext): AsyncGenerator<string, void> {
  const range = {
    fromTs: startOf(options, context) ?? -Infinity,
    toTs: options.end === undefined ? Infinity : timeOf('--end', options.end),
  };
  return takeFromFile(join(folder, 'samples.db'), options.match.map(matchersOf), range, context.clock, (count) =>
    context.err.write(`${count} parts of the history could not be read, or were deleted meanwhile\n`),
  );
}

function startOf({ start, since }: ExportOptions, { clock }: CliContext): number | undefined {
  if (start !== undefined && since !== undefined) throw new BelfryError('BAD_REQUEST', 'only one of --start and --since may be given');
  if (since !== undefined) return clock.wall() - parseDuration(since);
  return start === undefined ? undefined : timeOf('--start', start);
}

function timeOf(option: string, text: string): number {
  const seconds = parseFloatText(text);
  const ts = seconds === undefined ? parseRfc3339(text) : Math.round(seconds * 1000);
  if (ts === undefined || !Number.isFinite(ts))
    throw new BelfryError('BAD_REQUEST', `${option}: expected Unix seconds or RFC 3339, not ${text}`);
  return ts;
}

/** The text as it comes; throws at its end where that is missing. */
async function* whole(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let tail = '';
  for await (const piece of pieces) {
    const text = decoder.decode(piece, { stream: true });
    tail = (tail + text).slice(-OPENMETRICS_END.length);
    if (text !== '') yield text;
  }
  if (tail !== OPENMETRICS_END) throw new BelfryError('NOT_READY', 'the answer was cut off: Belfry ended, or failed (its log says why)');
}

/** Under its name only when it is whole. */
async function writeFile(path: string, text: AsyncIterable<string>): Promise<void> {
  const part = `${path}.part`;
  try {
    const out = createWriteStream(part);
    await (path.endsWith('.gz') ? pipeline(Readable.from(text), createGzip(), out) : pipeline(Readable.from(text), out));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
