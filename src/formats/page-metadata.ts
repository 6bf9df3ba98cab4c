import { readComment } from './page-comments.ts';
import type { PageTemplate } from './page-layout.ts';

/** What a page says of a family of metrics; `unknown` and empty where it says nothing. */
export interface FamilyMetadata {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

const HASH = 35;
const ESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\n': '\n', '\\"': '"' };
/** A type in the text format is one of these; `untyped` there is what OpenMetrics calls `unknown`. */
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'info', 'stateset', 'gaugehistogram']);

/**
 * The families that a page's comments name, in its order, read from the lines as they stand: nothing more is kept of
 * them. Prometheus text format and OpenMetrics: `# HELP name text`, `# TYPE name type`, `# UNIT name unit`.
 */
export function pageMetadata(template: PageTemplate): readonly FamilyMetadata[] {
  const { bytes, starts, valued, format } = template;
  const decoder = new TextDecoder();
  const escape = format === 'openmetrics' ? /\\[\\n"]/g : /\\[\\n]/g;
  const families = new Map<string, FamilyMetadata>();
  for (let line = 0; line < template.lines; line++) {
    const from = starts[line]!;
    if (valued[line] === 1 || bytes[from] !== HASH) continue;
    const comment = readComment(decoder.decode(bytes.subarray(from, starts[line + 1])), format);
    if (typeof comment !== 'object') continue;
    const { keyword, name, text } = comment;
    const known = families.get(name) ?? { name, type: 'unknown', help: '', unit: '' };
    families.set(name, {
      ...known,
      ...(keyword === 'TYPE' && { type: TYPES.has(text.trim()) ? text.trim() : 'unknown' }),
      ...(keyword === 'HELP' && { help: text.replaceAll(escape, (escaped) => ESCAPES[escaped] ?? escaped) }),
      ...(keyword === 'UNIT' && { unit: text.trim() }),
    });
  }
  return [...families.values()];
}
