import { formatFloat } from '../core/number-format.ts';

/** A metric family to be written. Labels come as `[name, value]` entries. */
export interface WrittenFamily {
  readonly name: string;
  /** Left out where none is known. */
  readonly help?: string;
  readonly type: 'gauge' | 'counter' | 'untyped';
  /** `ts`, in milliseconds, for samples that are not of now. */
  readonly samples: readonly { readonly labels: Iterable<readonly [string, string]>; readonly value: number; readonly ts?: number }[];
}

export const EXPOSITION_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Samples in one piece of a page: a few milliseconds of work. */
const PIECE_SAMPLES = 1000;

/** Families as exposition text, format 0.0.4; families without a sample are left out, and a `__name__` label too. */
export function writeExposition(families: Iterable<WrittenFamily>): string {
  return [...expositionPieces(families)].join('');
}

/** The same in pieces, each made when it is asked for; a family is asked for when the one before has been written. */
export function* expositionPieces(families: Iterable<WrittenFamily>): Generator<string, void> {
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    let lines: string[] = [];
    if (help !== undefined) lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
    lines.push(`# TYPE ${name} ${type}`);
    for (const [i, { labels, value, ts }] of samples.entries()) {
      if (i > 0 && i % PIECE_SAMPLES === 0) {
        yield `${lines.join('\n')}\n`;
        lines = [];
      }
      const inner: string[] = [];
      for (const [label, text] of labels) if (label !== '__name__') inner.push(`${label}="${escapeValue(text)}"`);
      lines.push(`${name}${inner.length === 0 ? '' : `{${inner.join(',')}}`} ${formatFloat(value)}${ts === undefined ? '' : ` ${ts}`}`);
    }
    yield `${lines.join('\n')}\n`;
  }
}

/** A text as it stands between double quotes. */
export function escapeValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
