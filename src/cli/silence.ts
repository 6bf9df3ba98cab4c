import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { readTextFile } from '../config/secrets.ts';
import { parseDuration, humanDuration } from '../core/duration.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { compareNames } from '../core/labels.ts';
import { Matcher } from '../core/matcher.ts';
import { parseMatcher } from '../core/parse-matcher.ts';
import { parseRfc3339 } from '../core/rfc3339.ts';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { silencesFromYaml, silencesToYaml } from './silence-file.ts';
import {
  alertsText,
  matchedBy,
  matchersText,
  parseTimezone,
  postSilence,
  readFiringAlerts,
  readSilences,
  timesIn,
  type ShownSilence,
  type SilenceRequest,
} from './silence-view.ts';
import { printable, table } from './table.ts';

interface AddOptions extends ClientOptions {
  readonly for?: number;
  readonly until?: number;
  readonly from?: number;
  readonly comment: string;
  readonly by?: string;
  readonly timezone?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const MAX_FILE_BYTES = 8 * 1024 * 1024;
const SHORTEST_ID = 4;
const CLOCKS_DIFFER_MS = 10 * 60_000;

/** `belfry silence`: no messages about some alerts, until a time. */
export function silenceCommand(program: Command, context: CliContext): void {
  const silence = program
    .command('silence')
    .description('hold messages about some alerts back until a time: add, list, expire, export, import')
    .addHelpText(
      'after',
      '\n' +
        'Examples:\n' +
        "  belfry silence add cluster=orders-dal broker=2 --for 2h --comment 'disk swap'\n" +
        '  belfry silence list\n' +
        '  belfry silence expire 7f9aa9c9\n' +
        '\n' +
        'Alerts go on being evaluated and shown; only nobody is told. What is planned and comes again is better a\n' +
        'maintenance: window of belfry.yaml. amtool works, too: docs/silences.md.',
    );
  addCommand(silence, context);
  listCommand(silence, context);
  expireCommand(silence, context);
  exportCommand(silence, context);
  importCommand(silence, context);
}

function addCommand(silence: Command, context: CliContext): void {
  withClientOptions(silence.command('add'))
    .description('silence the alerts that all matchers accept')
    .argument('<matcher...>', "label=value, label!=value, label=~regex, label!~regex; a bare word is the alert's name")
    .option('--for <duration>', 'how long, such as 2h, 90m, 3d', parsePositive)
    .option('--until <time>', 'or until when, such as 2026-11-23T18:00:00+01:00', parseTime)
    .option('--from <time>', 'begin later, at such a time', parseTime)
    .requiredOption('--comment <text>', 'why; whoever wonders at night reads it')
    .option('--by <name>', 'who; your user name where it is left out')
    .option('--timezone <name>', "zone of the times that are shown, such as Europe/Berlin; this machine's", parseTimezone)
    .option('--dry-run', 'only show what would be silenced')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\n' +
        'Examples:\n' +
        "  belfry silence add cluster=orders-dal --for 90m --comment 'rolling restart, ticket 4711'\n" +
        "  belfry silence add DiskLow 'broker=~\"1|2\"' --until 2026-11-23T18:00:00Z --comment 'new disks come today'\n" +
        "  belfry silence add BrokerStopped cluster=orders-dal --for 2h --comment 'planned' --dry-run\n" +
        '\n' +
        'A silence must end: say --for or --until. Every matcher must accept an alert; a label that it lacks has the empty value.\n' +
        'Quote ~, ! and " for your shell. The alerts that are silenced now are shown; it is no mistake to silence before they fire.',
    )
    .action(async (words: readonly string[], options: AddOptions) => add(words, options, context));
}

async function add(words: readonly string[], options: AddOptions, context: CliContext): Promise<void> {
  const request = requestOf(words, options, context.clock.wall());
  const client = new BelfryClient(options, context);
  const matched = matchedBy(request.matchers, await readFiringAlerts(client));
  // Belfry's clock may be a little behind this one: what is to begin now must not begin later. Nothing begins before it is made.
  const startsAt = options.from === undefined ? request.startsAt - CLOCKS_DIFFER_MS : request.startsAt;
  const id = options.dryRun === true ? undefined : await postSilence(client, { ...request, startsAt });
  if (options.json === true) {
    context.out.write(`${JSON.stringify({ id, ...bodyOf(request), matched: matched.map(({ labels }) => labels) }, null, 2)}\n`);
  } else context.out.write(addedText(request, id, options, context));
  if (matched.length === 0)
    context.err.write(`No alert that fires now is matched by ${matchersText(request.matchers)}: see belfry alerts for the labels.\n`);
  else if (options.json !== true) context.out.write(`${countText(matched.length)}:\n${alertsText(matched, context.clock.wall())}`);
}

function addedText(
  { startsAt, endsAt, createdBy, comment, matchers }: SilenceRequest,
  id: string | undefined,
  options: AddOptions,
  context: CliContext,
): string {
  const times = timesIn(options.timezone);
  const from = startsAt > context.clock.wall() ? `from ${times.full(startsAt)} ` : '';
  const text = printable(
    `${matchersText(matchers)} ${from}until ${times.full(endsAt)} (${humanDuration(endsAt - startsAt)}), by ${createdBy}: ${comment}`,
  );
  if (id === undefined) return `Nothing was silenced, this is what would be: ${text}\n`;
  return `Silenced ${text}\nEnd it earlier with: belfry silence expire ${id}\n`;
}

function countText(count: number): string {
  return count === 1 ? 'It matches 1 alert that fires now' : `It matches ${count} alerts that fire now`;
}

function requestOf(words: readonly string[], options: AddOptions, now: number): SilenceRequest {
  const { for: lengthMs, until, from = now, comment, by = userInfo().username } = options;
  if ((lengthMs === undefined) === (until === undefined))
    throw new BelfryError(
      'BAD_REQUEST',
      'a silence must end: say for how long with --for 2h, or with --until TIME until when (one of the two)',
    );
  const endsAt = until ?? from + (lengthMs ?? 0);
  if (endsAt <= now || endsAt <= from) throw new BelfryError('BAD_REQUEST', 'a silence must end after it begins, and not in the past');
  if (comment.trim() === '') throw new BelfryError('BAD_REQUEST', '--comment must say why');
  const matchers = words.map((word) =>
    /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(word) ? new Matcher('alertname', '=', word) : parseMatcher(word),
  );
  return { matchers, startsAt: from, endsAt, createdBy: by, comment, annotations: {} };
}

function bodyOf({ matchers, startsAt, endsAt, createdBy, comment }: SilenceRequest): object {
  return {
    matchers: matchers.map(String),
    startsAt: new Date(startsAt).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
    createdBy,
    comment,
  };
}

function listCommand(silence: Command, context: CliContext): void {
  withClientOptions(silence.command('list'))
    .description('the silences that are active or have not begun yet')
    .option('--expired', 'also those that ended within the last five days')
    .option('--timezone <name>', "zone of the times that are shown; this machine's", parseTimezone)
    .option('--json', 'as JSON')
    .action(async (options: ClientOptions & { expired?: boolean; timezone?: string; json?: boolean }) => {
      const all = await readSilences(new BelfryClient(options, context));
      const silences = all.filter(({ state }) => options.expired === true || state !== 'expired');
      if (options.json === true) {
        context.out.write(
          `${JSON.stringify({ silences: silences.map((one) => ({ id: one.id, state: one.state, ...bodyOf(one) })) }, null, 2)}\n`,
        );
      } else context.out.write(listText(silences, timesIn(options.timezone), context.clock.wall()));
    });
}

function listText(silences: readonly ShownSilence[], times: ReturnType<typeof timesIn>, now: number): string {
  if (silences.length === 0) return 'No silences.\n';
  const rows = silences.map(({ id, state, startsAt, endsAt, createdBy, comment, matchers }) => {
    const when = { active: `ends in ${humanDuration(endsAt - now)}`, pending: `begins ${times.full(startsAt)}`, expired: 'ended' }[state];
    return [id, state, times.full(endsAt), when, createdBy, matchersText(matchers), comment].map(printable);
  });
  return table([['ID', 'STATE', 'UNTIL', 'WHEN', 'BY', 'MATCHERS', 'COMMENT'], ...rows]);
}

function expireCommand(silence: Command, context: CliContext): void {
  withClientOptions(silence.command('expire'))
    .description('end silences now')
    .argument('<id...>', 'as belfry silence list shows them; the beginning is enough')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nWho was not told of an alert that still fires is told of it now.')
    .action(async (ids: readonly string[], options: ClientOptions & { json?: boolean }) => {
      const client = new BelfryClient(options, context);
      const silences = await readSilences(client);
      const found = ids.map((id) => meant(id, silences));
      for (const { id } of found) await client.request('DELETE', `/api/v2/silence/${encodeURIComponent(id)}`);
      if (options.json === true) context.out.write(`${JSON.stringify({ expired: found.map(({ id }) => id) })}\n`);
      else for (const { id, matchers } of found) context.out.write(`expired ${id}: ${printable(matchersText(matchers))}\n`);
    });
}

/** The silence whose id is, or alone begins with, the text. */
function meant(text: string, silences: readonly ShownSilence[]): ShownSilence {
  const exact = silences.find(({ id }) => id === text);
  if (exact !== undefined) return exact;
  const live =
    text.length < SHORTEST_ID ? [] : silences.filter(({ id, state }) => state !== 'expired' && id.startsWith(text.toLowerCase()));
  const [only] = live;
  if (only !== undefined && live.length === 1) return only;
  const why = live.length > 1 ? `${live.length} silences begin with ${text}` : `no silence ${text}`;
  throw new BelfryError('NOT_FOUND', `${why}: see belfry silence list`);
}

function exportCommand(silence: Command, context: CliContext): void {
  withClientOptions(silence.command('export'))
    .description('the silences that are active or have not begun yet, as YAML for import')
    .addHelpText('after', '\nExample: belfry silence export > silences.yaml')
    .action(async (options: ClientOptions) => {
      const silences = await readSilences(new BelfryClient(options, context));
      context.out.write(silencesToYaml(silences.filter(({ state }) => state !== 'expired')));
    });
}

function importCommand(silence: Command, context: CliContext): void {
  withClientOptions(silence.command('import'))
    .description('make the silences of a file as export writes it')
    .argument('<file>', 'YAML')
    .option('--dry-run', 'only say what would be done')
    .option('--json', 'the outcome as JSON')
    .addHelpText(
      'after',
      '\nImporting the same file again changes nothing; one whose id is known and that differs is changed; those whose end has\n' +
        'passed are left out. Silences that are not in the file stay. A file with a mistake is refused as a whole.',
    )
    .action(async (file: string, options: ClientOptions & { dryRun?: boolean; json?: boolean }) => importFile(file, options, context));
}

async function importFile(file: string, options: ClientOptions & { dryRun?: boolean; json?: boolean }, context: CliContext): Promise<void> {
  const now = context.clock.wall();
  let text: string;
  try {
    text = readTextFile(resolve(context.workingFolder, file), MAX_FILE_BYTES);
  } catch (error) {
    throw new BelfryError('CONFIG_UNREADABLE', `cannot read ${file}`, { cause: error });
  }
  const requests = silencesFromYaml(text, file, now);
  const client = new BelfryClient(options, context);
  const live = (await readSilences(client)).filter(({ state }) => state !== 'expired');
  const outcomes: { id: string; outcome: 'made' | 'changed' | 'unchanged' | 'over already'; matchers: string }[] = [];
  for (const request of requests) {
    const known = live.find(({ id }) => id === request.id) ?? live.find((one) => isSame(one, request));
    const outcome =
      request.endsAt <= now ? 'over already' : known === undefined ? 'made' : isSame(known, request) ? 'unchanged' : 'changed';
    let id = known?.id ?? '';
    if (options.dryRun !== true && (outcome === 'made' || outcome === 'changed')) {
      const { id: _, ...fresh } = request;
      id = await postSilence(client, known === undefined ? fresh : { ...fresh, id: known.id, startsAt: startOf(known, request) });
    }
    outcomes.push({ id, outcome, matchers: matchersText(request.matchers) });
  }
  if (options.json === true) context.out.write(`${JSON.stringify({ silences: outcomes }, null, 2)}\n`);
  else
    context.out.write(
      table([['OUTCOME', 'ID', 'MATCHERS'], ...outcomes.map((one) => [one.outcome, one.id || '-', printable(one.matchers)])]),
    );
}

/** Its start does not tell it apart: what has begun keeps the time when it really did. */
function isSame(a: ShownSilence, b: SilenceRequest): boolean {
  const key = ({ matchers, endsAt, createdBy, comment, annotations }: SilenceRequest): string =>
    JSON.stringify([
      matchers.map(String),
      endsAt,
      createdBy,
      comment,
      Object.entries(annotations).toSorted(([x], [y]) => compareNames(x, y)),
    ]);
  return key(a) === key(b) && (a.state === 'active' || a.startsAt === b.startsAt);
}

/** What has begun keeps its start, so that it is changed in place. */
function startOf(known: ShownSilence, request: SilenceRequest): number {
  return known.state === 'active' ? known.startsAt : request.startsAt;
}

function parsePositive(text: string): number {
  let lengthMs: number;
  try {
    lengthMs = parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(`${errorText(error)}.`);
  }
  if (lengthMs <= 0) throw new InvalidArgumentError('expected a duration, such as 2h.');
  return lengthMs;
}

function parseTime(text: string): number {
  const ts = parseRfc3339(text);
  if (ts === undefined)
    throw new InvalidArgumentError('expected a time with its zone, such as 2026-11-23T18:00:00+01:00 or 2026-11-23T17:00:00Z.');
  return ts;
}
