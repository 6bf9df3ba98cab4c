import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Command } from 'commander';
import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { OPENMETRICS_TYPE } from '../formats/openmetrics-text.ts';
import type { BroughtView } from '../http/prometheus-ports.ts';
import { BelfryClient, type ClientOptions, TextBody, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { withFolder } from './history-place.ts';

interface ImportOptions extends ClientOptions {
  readonly 'storage.path'?: string;
  readonly retention: string;
  readonly json?: boolean;
}

/** What is sent at once: some 50,000 samples. */
const PIECE_BYTES = 4 * 1024 * 1024;
const NEWLINE = 10;

const count = z.number();
const answerSchema = z.object({
  data: z.object({ series: count, stored: count, known: count, conflicting: count, tooOld: count, tooNew: count, overLimit: count }),
});

type Counts = Omit<BroughtView, 'series'>;
type Bring = (lines: Uint8Array, firstLine: number) => Promise<BroughtView>;

/** `belfry import FILE…`: history as OpenMetrics text into the running Belfry, or into a data folder. */
export function importCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('import'))
    .description('bring history in: OpenMetrics text with a time at every sample')
    .argument('<file...>', 'files (.gz is unpacked), or - for the standard input')
    .option('--storage.path <folder>', 'the data folder of a Belfry that does not run, instead of one that does')
    .option('--retention <duration>', 'with --storage.path: how old samples may be', '15d')
    .option('--json', 'what became of the samples as JSON')
    .addHelpText(
      'after',
      '\n' +
        'Samples of any age within the retention are kept and found by queries; what is there already is not kept twice, so a\n' +
        'transfer that was cut off is simply begun again. A value that differs from the one that is there is left out.\n\n' +
        'Examples:\n' +
        '  belfry import old.om.gz\n' +
        '  belfry import old.om --storage.path data              into the folder of a Belfry that does not run\n' +
        '  promtool tsdb dump-openmetrics data | belfry import -\n\n' +
        'Exit status: 0 all of it is there; 1 some of it was left out, a file has a mistake or was cut off, or it could not be\n' +
        'kept; 2 a wrong command line.',
    )
    .action(async (files: readonly string[], options: ImportOptions) => {
      const run = async (bring: Bring): Promise<Counts> => {
        const sum: Counts = { stored: 0, known: 0, conflicting: 0, tooOld: 0, tooNew: 0, overLimit: 0 };
        try {
          for (const file of files) await importFile(file, bring, sum, context);
        } finally {
          if (context.signal.aborted) context.err.write(`stopped: ${sentenceOf(sum)}`);
        }
        return sum;
      };
      const { 'storage.path': storagePath, retention } = options;
      const sum = await (storagePath === undefined
        ? run(overHttp(new BelfryClient(options, context)))
        : withFolder(storagePath, parseDuration(retention), context, (port) => run((lines, first) => port.bring(lines, first))));
      context.out.write(options.json === true ? `${JSON.stringify(sum)}\n` : sentenceOf(sum));
      if (sum.conflicting + sum.tooOld + sum.tooNew + sum.overLimit > 0) context.setExitCode(1);
    });
}

function overHttp(client: BelfryClient): Bring {
  return async (lines, firstLine) => {
    const body = new TextBody(lines, OPENMETRICS_TYPE);
    return (await client.ask(answerSchema, 'POST', `/api/belfry/v1/import?line=${firstLine}`, body)).data;
  };
}

/** Line by line in pieces, each of which is kept before the next is read: memory holds one. */
async function importFile(file: string, bring: Bring, sum: { -readonly [K in keyof Counts]: number }, context: CliContext): Promise<void> {
  let line = 1;
  let waiting: Buffer[] = [];
  let bytes = 0;
  let lastLine = '';
  const send = async (piece: Buffer): Promise<void> => {
    const told = await bring(piece, line).catch((error: unknown) => {
      throw error instanceof BelfryError ? new BelfryError(error.code, `${file}: ${error.message}`, { cause: error }) : error;
    });
    for (const key of Object.keys(sum) as (keyof Counts)[]) sum[key] += told[key];
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) line++;
    lastLine =
      piece
        .toString('utf8', Math.max(0, piece.length - 16))
        .trimEnd()
        .split('\n')
        .at(-1) ?? '';
    if (context.err.isTerminal) context.err.write(`\r${file}: ${line - 1} lines, ${sum.stored} samples `);
  };
  for await (const chunk of chunksOf(file, context)) {
    waiting.push(chunk);
    bytes += chunk.length;
    const end = bytes >= PIECE_BYTES ? chunk.lastIndexOf(NEWLINE) + 1 : 0;
    if (bytes > 2 * PIECE_BYTES) throw new BelfryError('BAD_REQUEST', `${file}: line ${line}: far too long`);
    if (end === 0) continue;
    const whole = Buffer.concat(waiting);
    const rest = chunk.length - end;
    waiting = rest === 0 ? [] : [Buffer.from(chunk.subarray(end))];
    bytes = rest;
    await send(whole.subarray(0, whole.length - rest));
  }
  if (bytes > 0) await send(Buffer.concat(waiting));
  if (context.err.isTerminal) context.err.write('\n');
  if (lastLine !== '# EOF') throw new BelfryError('BAD_REQUEST', `${file} does not end with # EOF: it was cut off. What it has was kept`);
}

async function* chunksOf(file: string, context: CliContext): AsyncGenerator<Buffer, void> {
  const source: Readable = file === '-' ? process.stdin : createReadStream(resolve(context.workingFolder, file));
  const gunzip = createGunzip();
  try {
    const isPacked = file.endsWith('.gz');
    if (isPacked) source.on('error', (error) => gunzip.destroy(error)).pipe(gunzip);
    yield* (isPacked ? gunzip : source) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', `cannot read ${file}: ${errorText(error)}`, { cause: error });
  }
}

function sentenceOf({ stored, known, conflicting, tooOld, tooNew, overLimit }: Counts): string {
  const parts = [stored === 1 ? '1 sample was brought in' : `${stored} samples were brought in`];
  if (known > 0) parts.push(`${known} were there already`);
  if (conflicting > 0) parts.push(`${conflicting} have another value there, which stays`);
  if (tooOld > 0) parts.push(`${tooOld} are older than the retention`);
  if (tooNew > 0) parts.push(`${tooNew} are in the future`);
  if (overLimit > 0) parts.push(`${overLimit} are of series over the limit`);
  return `${parts.join(', ')}\n`;
}
