import { formatFloat } from '../core/number-format.ts';

/** A metric family to be written. Labels come as `[name, value]` entries. */
export interface WrittenFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly samples: readonly { readonly labels: Iterable<readonly [string, string]>; readonly value: number }[];
}

export const EXPOSITION_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Families as exposition text, format 0.0.4; families without a sample are left out, and a `__name__` label too. */
export function writeExposition(families: Iterable<WrittenFamily>): string {
  const lines: string[] = [];
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    lines.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${name} ${type}`);
    for (const { labels, value } of samples) {
      const inner: string[] = [];
      for (const [label, text] of labels) if (label !== '__name__') inner.push(`${label}="${escapeValue(text)}"`);
      lines.push(`${name}${inner.length === 0 ? '' : `{${inner.join(',')}}`} ${formatFloat(value)}`);
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function escapeValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
