import type { Labels } from '../core/labels.ts';
import { formatExponent, formatFloat, parseFloatText } from '../core/number-format.ts';
import { type ExpositionFormat, sampleNumber } from './exposition.ts';

/** A line of a page that tells something of a family: `# HELP name text`, `# TYPE name type`, `# UNIT name unit`. */
export interface FamilyComment {
  readonly keyword: 'HELP' | 'TYPE' | 'UNIT';
  readonly name: string;
  /** As it stands, after one blank; escapes and all. */
  readonly text: string;
}

/** Of the families that follow a `# TYPE`, what the label has that Prometheus writes anew: `le`, `quantile`, or nothing. */
export type BoundLabel = '' | 'le' | 'quantile';

const QUOTED = String.raw`"[^\\"]*(?:\\.[^\\"]*)*"`;
const NAME = `(?:[a-zA-Z_:][a-zA-Z0-9_:]*|${QUOTED})`;
const TEXT_COMMENT = new RegExp(`^[ \\t]*#[ \\t]+(HELP|TYPE)[ \\t]+(?:(${NAME})(.*)|.*)$`, 's');
const OPENMETRICS_COMMENT = new RegExp(`^# (HELP|TYPE|UNIT) (${NAME})( .*)$`, 's');
const TEXT_TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const OPENMETRICS_TYPES = new Set(['counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset', 'unknown']);
const BOUND_LABELS: Readonly<Record<string, BoundLabel>> = { histogram: 'le', summary: 'quantile' };

/**
 * What a comment or a blank line says; undefined where it says nothing, a string where it is not allowed: what Prometheus
 * refuses. OpenMetrics has no other comments than these, and no blank lines.
 */
export function readComment(line: string, format: ExpositionFormat): FamilyComment | string | undefined {
  const match = (format === 'openmetrics' ? OPENMETRICS_COMMENT : TEXT_COMMENT).exec(line);
  if (match === null) return format === 'openmetrics' ? 'expected HELP, TYPE, UNIT or EOF after "# ", or a sample' : undefined;
  const [, keyword = '', name, rest = ''] = match;
  if (name === undefined) return `expected a metric name after ${keyword}`;
  const comment = { keyword: keyword as FamilyComment['keyword'], name: unquoted(name), text: rest.slice(1) };
  const types = format === 'openmetrics' ? OPENMETRICS_TYPES : TEXT_TYPES;
  if (keyword === 'TYPE' && !types.has(comment.text)) return `${JSON.stringify(comment.text.slice(0, 50))} is no type of metrics`;
  if (keyword === 'UNIT' && comment.text !== '' && !comment.name.endsWith(`_${comment.text}`))
    return `the name ${comment.name.slice(0, 100)} does not end in its unit ${JSON.stringify(comment.text.slice(0, 50))}`;
  return comment;
}

/** Which label of the samples after a comment holds bounds; undefined where the comment is no `# TYPE`. */
export function boundLabelAfter(comment: FamilyComment): BoundLabel | undefined {
  return comment.keyword === 'TYPE' ? (BOUND_LABELS[comment.text] ?? '') : undefined;
}

const BOUND_CODES: readonly (BoundLabel | undefined)[] = [undefined, '', 'le', 'quantile'];

/** A number for it that fits a byte. */
export function boundCode(label: BoundLabel | undefined): number {
  return BOUND_CODES.indexOf(label);
}

export function boundOfCode(code: number): BoundLabel | undefined {
  return BOUND_CODES[code];
}

/**
 * The labels with their bound written as OpenMetrics has it, `1.0` for `1`, so that a histogram or summary has the same
 * series whatever its exporter writes: Prometheus does so since 3.0. A bound that is no number stays.
 */
export function withWrittenBound(labels: Labels, label: BoundLabel): Labels {
  if (label === '') return labels;
  const text = labels.get(label);
  const bound = text === '' ? undefined : parseFloatText(text);
  return bound === undefined ? labels : labels.with(label, boundText(bound));
}

/** The shortest digits, with a point or an exponent in any case. */
function boundText(bound: number): string {
  if (!Number.isFinite(bound)) return formatFloat(bound);
  const magnitude = Math.abs(bound);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e6)) return formatExponent(bound);
  const text = formatFloat(magnitude === 0 ? 0 : bound);
  return text.includes('.') ? text : `${text}.0`;
}

const LABEL = `(?:[a-zA-Z_][a-zA-Z0-9_]*=${QUOTED}|${QUOTED}(?:=${QUOTED})?)`;
const LABELS = `\\{(?:${LABEL}(?:,${LABEL})*,?)?\\}`;
const SERIES = new RegExp(`(?:[a-zA-Z_:][a-zA-Z0-9_:]*(?:${LABELS})?|${LABELS})(?= )`, 'y');
const VALUE_AND_TIME = /[^ \t{}]+(?: (?!# \{)[^ \t]+)?/y;
const EXEMPLAR = new RegExp(` # (${LABELS}) ([^ ]+)(?: ([^ ]+))?$`, 'y');
const NAME_IN_LABELS = new RegExp(`[{,]${QUOTED}[,}]`);

/**
 * What is wrong with a sample's line as an OpenMetrics page has it: one blank between its parts and none elsewhere, and an
 * exemplar with a value. Undefined where nothing is. Prometheus takes an exemplar at whatever metric, and of any length.
 */
export function openMetricsLineFault(line: string): { readonly what: string; readonly at: number } | undefined {
  SERIES.lastIndex = 0;
  if (!SERIES.test(line)) return { what: 'expected a name, its labels without blanks, and one blank before the value', at: 0 };
  VALUE_AND_TIME.lastIndex = SERIES.lastIndex + 1;
  if (!VALUE_AND_TIME.test(line)) return { what: 'expected a value after one blank', at: SERIES.lastIndex };
  const at = VALUE_AND_TIME.lastIndex;
  if (at === line.length) return undefined;
  EXEMPLAR.lastIndex = at;
  const [, labels = '', value = '', time] = EXEMPLAR.exec(line) ?? [];
  if (labels === '' || NAME_IN_LABELS.test(labels)) return { what: 'expected the line to end, or an exemplar: # {…} value', at };
  if (sampleNumber(value) === undefined)
    return { what: `expected the value of an exemplar, found ${JSON.stringify(value.slice(0, 50))}`, at };
  if (time !== undefined && !Number.isFinite(sampleNumber(time)))
    return { what: `expected the time of an exemplar, found ${JSON.stringify(time.slice(0, 50))}`, at };
  return undefined;
}

function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  return name.slice(1, -1).replaceAll(/\\(["\\n])/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
