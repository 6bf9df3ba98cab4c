import { LineCounter, parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import { BelfryError, errorText } from '../core/errors.ts';
import { parseMatcher } from '../core/parse-matcher.ts';
import { parseRfc3339 } from '../core/rfc3339.ts';
import type { ShownSilence, SilenceRequest } from './silence-view.ts';

const MAX_SILENCES = 5000;

const time = z.string().transform((text, context) => {
  const ts = parseRfc3339(text);
  if (ts !== undefined) return ts;
  context.addIssue('expected a time with its zone, such as 2026-11-23T18:00:00Z or 2026-11-23T18:00:00+01:00');
  return z.NEVER;
});
const matcher = z.string().transform((text, context) => {
  try {
    return parseMatcher(text);
  } catch (error) {
    context.addIssue(errorText(error));
    return z.NEVER;
  }
});
const fileSchema = z.strictObject({
  silences: z
    .array(
      z.strictObject({
        id: z.string().optional(),
        matchers: z.array(matcher).min(1),
        starts_at: time.optional(),
        ends_at: time,
        created_by: z.string().min(1),
        comment: z.string().min(1),
        annotations: z.record(z.string(), z.string()).default({}),
      }),
    )
    .max(MAX_SILENCES),
});

/** Silences as a file to be kept with other configuration; `import` takes it as it is. */
export function silencesToYaml(silences: readonly ShownSilence[]): string {
  return stringify({
    silences: silences.map(({ id, matchers, startsAt, endsAt, createdBy, comment, annotations }) => ({
      id,
      matchers: matchers.map(String),
      starts_at: new Date(startsAt).toISOString(),
      ends_at: new Date(endsAt).toISOString(),
      created_by: createdBy,
      comment,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    })),
  });
}

/** Reads such a file; all mistakes at once, each with line and column. `startsAt` is `now` where none is given. Throws `CONFIG_INVALID`. */
export function silencesFromYaml(text: string, name: string, now: number): readonly SilenceRequest[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const problems = document.errors.map(({ pos, message }) => `${at(pos[0])} ${message.split('\n')[0] ?? ''}`);
  if (problems.length > 0) throw new BelfryError('CONFIG_INVALID', problems.join('\n'));
  const result = fileSchema.safeParse(document.toJS());
  if (!result.success) {
    const texts = result.error.issues.map(({ path, message }) => `${at(offsetOf(document, path))} ${path.join('.')}: ${message}`);
    throw new BelfryError('CONFIG_INVALID', texts.join('\n'));
  }
  return result.data.silences.map(({ id, matchers, starts_at, ends_at, created_by, comment, annotations }) => ({
    ...(id === undefined ? {} : { id }),
    matchers,
    startsAt: starts_at ?? now,
    endsAt: ends_at,
    createdBy: created_by,
    comment,
    annotations,
  }));
}

/** Where the value of the path stands, else whatever is around it. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (node !== null && typeof node === 'object' && 'range' in node && Array.isArray(node.range)) return Number(node.range[0]);
  }
  return 0;
}
