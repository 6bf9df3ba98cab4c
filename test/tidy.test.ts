import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const LEAF_ROOMS = ['formats', 'templates', 'timeintervals', 'kafka', 'telemetry'];
const STAGES = [
  'collectors',
  'store',
  'promql',
  'rules',
  'routing',
  'outbox',
  'notifiers',
  'autopilot',
  'executor',
  'watchdog',
  'remotewrite',
  'http',
];

/** Which rooms a room may import, besides itself. Root files of src/ are rooms of their own. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ...Object.fromEntries(LEAF_ROOMS.map((room) => [room, ['core']])),
  ...Object.fromEntries(STAGES.map((stage) => [stage, ['core', ...LEAF_ROOMS]])),
  rules: ['core', ...LEAF_ROOMS, 'promql'],
  config: ['core', ...LEAF_ROOMS],
  app: ['core', 'config', ...LEAF_ROOMS, ...STAGES],
  cli: ['core', 'config', ...LEAF_ROOMS, ...STAGES, 'app'],
  main: ['core', 'cli', 'config', 'app'],
};
/** `schema.ts` of a stage is its part of the configuration: config and cli read it. */
const MAY_IMPORT_SCHEMAS = ['config', 'cli'];

const LIMITS = { fileLines: 400, functionLines: 70, lineLength: 140 };
/** Comments `tidy: reason` that lift a limit for their file; this number may only fall. */
const MAX_TIDY_EXEMPTIONS = 3;

const BANNED: readonly { pattern: RegExp; what: string; allowedIn: readonly string[] }[] = [
  { pattern: /\bDate\.now\b|\bnew Date\(\)/, what: 'reading the wall clock', allowedIn: ['src/core/clock.ts'] },
  {
    pattern: /\bperformance\.(now|timeOrigin)\b|\bprocess\.hrtime\b/,
    what: 'reading the monotonic clock',
    allowedIn: ['src/core/clock.ts'],
  },
  { pattern: /\bset(Timeout|Interval|Immediate)\(/, what: 'starting a timer', allowedIn: ['src/core/clock.ts'] },
  { pattern: /\bprocess\.env\b/, what: 'reading the environment', allowedIn: ['src/config/env.ts'] },
  { pattern: /\bprocess\.exit\(/, what: 'ending the process', allowedIn: ['src/main.ts'] },
  { pattern: /^export default\b/m, what: 'a default export', allowedIn: [] },
  { pattern: /^export \* from\b/m, what: 'a barrel', allowedIn: [] },
  { pattern: /\bcatch( \([^)]*\))? *\{ *\}|\.catch\(\(\) => (\{ *\}|undefined|null)\)/, what: 'a swallowed error', allowedIn: [] },
];

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly exempt: boolean;
}

function sourcesOf(folder: string): readonly Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const path = relative(ROOT, join(entry.parentPath, entry.name));
      const text = readFileSync(join(ROOT, path), 'utf8');
      const [, second = ''] = path.split('/');
      return { path, room: second.replace(/\.ts$/, ''), text, lines: text.split('\n'), exempt: /\/\/ tidy: \S+/.test(text) };
    });
}

const sources = sourcesOf('src');

/** Names of functions and methods with their length, found by their opening line and the indentation of the closing brace. */
function longFunctions(source: Source): readonly string[] {
  const found: string[] = [];
  for (const [start, line] of source.lines.entries()) {
    const opens =
      /^(\s*)(?:export |static |override |private |public |async |get |set |function\b|const |#)*\*?\s*([\w#$]+)\s*(?:=\s*(?:async\s*)?)?(?:<[^>]*>)?\(.*\{$/.exec(
        line,
      );
    if (opens === null || /^\s*(if|for|while|switch|catch|return|else|do|try)\b/.test(line)) continue;
    const closing = `${opens[1] ?? ''}}`;
    const length = source.lines
      .slice(start + 1)
      .findIndex((later) => later === closing || later.startsWith(`${closing};`) || later.startsWith(`${closing})`));
    if (length + 2 > LIMITS.functionLines) found.push(`${source.path}:${start + 1} ${opens[2] ?? ''} has ${length + 2} lines`);
  }
  return found;
}

describe('house style', () => {
  it('sees the sources', () => {
    expect(sources.length).toBeGreaterThan(10);
  });

  it('imports only what the walls allow', () => {
    const wrong: string[] = [];
    for (const { path, room, text } of sources) {
      for (const [, target = ''] of text.matchAll(/(?:from|import)\s*\(?'(\.{1,2}\/[^']+)'/g)) {
        const to = relative(join(ROOT, 'src'), join(ROOT, path, '..', target));
        const toRoom = (to.split('/')[0] ?? '').replace(/\.ts$/, '');
        const allowed = ALLOWED[room];
        if (allowed === undefined) wrong.push(`${path}: the room ${room} is not in the table`);
        else if (toRoom !== room && !allowed.includes(toRoom)) {
          if (!(MAY_IMPORT_SCHEMAS.includes(room) && basename(to) === 'schema.ts')) wrong.push(`${path} imports ${to}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('imports a Kafka client only in src/kafka', () => {
    const wrong = sources.filter(({ room, text }) => room !== 'kafka' && /from '(kafkajs|@platformatic\/kafka)'/.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it.each(BANNED)('keeps $what where it belongs', ({ pattern, allowedIn }) => {
    const wrong = sources.filter(
      ({ path, text }) => !allowedIn.includes(path) && pattern.test(text.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '')),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('keeps files, functions and lines short', () => {
    const long: string[] = [];
    for (const source of sources) {
      if (source.exempt) continue;
      if (source.lines.length - 1 > LIMITS.fileLines) long.push(`${source.path} has ${source.lines.length - 1} lines`);
      long.push(...longFunctions(source));
      for (const [index, line] of source.lines.entries()) {
        if (line.length > LIMITS.lineLength) long.push(`${source.path}:${index + 1} has ${line.length} characters`);
      }
    }
    expect(long).toEqual([]);
  });

  it('lifts its limits ever more rarely', () => {
    expect(sources.filter(({ exempt }) => exempt).length).toBeLessThanOrEqual(MAX_TIDY_EXEMPTIONS);
  });

  it('names files in kebab-case, and none of them utils', () => {
    const wrong = sources.filter(
      ({ path }) => !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(basename(path)) || /^(utils?|helpers?|misc)\.ts$/.test(basename(path)),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('has no absolute path of a machine and no unfinished mark', () => {
    const mark = new RegExp(
      `\\b(${['TO', 'FIX'].map((start, i) => start + (i === 0 ? 'DO' : 'ME')).join('|')})\\b|/(${['home', 'root', 'work'].join('|')})/`,
    );
    const wrong = [...sources, ...sourcesOf('testbed'), ...sourcesOf('bench')].filter(({ text }) => mark.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});
