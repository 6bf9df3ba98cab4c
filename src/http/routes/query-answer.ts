import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { yieldToLoop } from '../../core/clock.ts';
import type { Labels } from '../../core/labels.ts';
import { formatExponent, formatFloat } from '../../core/number-format.ts';
import type { QueryAnswer, QueryOptions, QueryResult, QueryStats } from '../ports.ts';
import { TRUNCATED } from './parameters.ts';

const CONTENT_TYPE = 'application/json';
/** Characters that are written together: they take a millisecond or two. */
const PIECE_CHARS = 128 * 1024;
/** Of each kind that are told with an answer. */
const MAX_ANNOTATIONS = 10;

/** How a query is to be evaluated; `stats` of any text asks for what it took, as in Prometheus. */
export function queryOptions(
  parameters: URLSearchParams,
  signal: AbortSignal,
  { timeoutMs, lookbackMs }: { readonly timeoutMs: number | undefined; readonly lookbackMs: number | undefined },
): QueryOptions {
  return {
    signal,
    stats: (parameters.get('stats') ?? '') !== '',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(lookbackMs === undefined ? {} : { lookbackMs }),
  };
}

/** Answers as Prometheus writes it, with no more series than `limit`; a long answer piece by piece, others having their turn between. */
export function sendAnswer(reply: FastifyReply, answer: QueryAnswer, limit: number): FastifyReply {
  return sendTexts(reply, answerTexts(answer, limit));
}

/** Answers with JSON in texts of any length, each made when it is its turn. */
export function sendTexts(reply: FastifyReply, texts: Iterable<string>): FastifyReply {
  const pieces = inPieces(texts);
  const first = pieces.next();
  const second = pieces.next();
  reply.type(CONTENT_TYPE);
  if (second.done === true) return reply.send(first.done === true ? '' : first.value);
  return reply.send(Readable.from(paced([first.value ?? '', second.value], pieces)));
}

async function* paced(begun: readonly string[], rest: Iterable<string>): AsyncGenerator<string, void> {
  yield* begun;
  for (const piece of rest) {
    await yieldToLoop();
    yield piece;
  }
}

function* inPieces(texts: Iterable<string>): Generator<string, void> {
  let piece = '';
  for (const text of texts) {
    piece += text;
    if (piece.length < PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

/** The envelope and in it the result, in texts of any length. */
function* answerTexts({ result, warnings, infos, stats }: QueryAnswer, limit: number): Generator<string, void> {
  yield `{"status":"success","data":{"resultType":"${result.type}","result":`;
  yield* resultTexts(result, limit);
  if (stats !== undefined) yield `,"stats":${JSON.stringify(statsJson(stats))}`;
  yield '}';
  const told = countOf(result) > limit ? [TRUNCATED, ...warnings] : warnings;
  if (told.length > 0) yield `,"warnings":${JSON.stringify(noMore(told, 'warning'))}`;
  if (infos.length > 0) yield `,"infos":${JSON.stringify(noMore(infos, 'info'))}`;
  yield '}';
}

/** The first annotations of a kind, and how many more there are, as in Prometheus. */
function noMore(annotations: readonly string[], kind: 'warning' | 'info'): readonly string[] {
  const left = annotations.length - MAX_ANNOTATIONS;
  return left <= 0 ? annotations : [...annotations.slice(0, MAX_ANNOTATIONS), `${left} more ${kind} annotations omitted`];
}

/** In seconds. There is no queue, and what is sorted is sorted while it is worked out. */
function statsJson({ preparationMs, evaluationMs, samples, peakSamples }: QueryStats) {
  return {
    timings: {
      evalTotalTime: (preparationMs + evaluationMs) / 1000,
      resultSortTime: 0,
      queryPreparationTime: preparationMs / 1000,
      innerEvalTime: evaluationMs / 1000,
      execQueueTime: 0,
      execTotalTime: (preparationMs + evaluationMs) / 1000,
    },
    samples: { totalQueryableSamples: samples, peakSamples },
  };
}

function countOf(result: QueryResult): number {
  return result.type === 'vector' ? result.samples.length : result.type === 'matrix' ? result.series.length : 0;
}

function* resultTexts(result: QueryResult, limit: number): Generator<string, void> {
  switch (result.type) {
    case 'scalar':
      // A scalar never has an exponent, and its time no digits that say nothing.
      yield `[${result.ts / 1000},"${formatFloat(result.value)}"]`;
      return;
    case 'string':
      yield `[${result.ts / 1000},${jsonText(result.text)}]`;
      return;
    case 'vector': {
      let separator = '[';
      for (const { labels, value } of result.samples.slice(0, limit)) {
        yield `${separator}${metricText(labels)},"value":${pairText(result.ts, value)}}`;
        separator = ',';
      }
      yield separator === '[' ? '[]' : ']';
      return;
    }
    case 'matrix': {
      let separator = '[';
      for (const { labels, timestamps, values } of result.series.slice(0, limit)) {
        yield `${separator}${metricText(labels)},"values":[`;
        yield* pairTexts(timestamps, values);
        yield ']}';
        separator = ',';
      }
      yield separator === '[' ? '[]' : ']';
    }
  }
}

/** The envelope and in it label sets, one after the other. */
export function* labelTexts(series: readonly Labels[], warnings: readonly string[]): Generator<string, void> {
  yield '{"status":"success","data":[';
  for (const [i, labels] of series.entries()) yield `${i === 0 ? '' : ','}${jsonText(labels.toObject())}`;
  yield warnings.length === 0 ? ']}' : `],"warnings":${JSON.stringify(warnings)}}`;
}

/** Escaped as Go does it, so that the text may stand in a page of HTML, too. */
function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function* pairTexts(timestamps: Float64Array, values: Float64Array): Generator<string, void> {
  let text = '';
  for (let i = 0; i < values.length; i++) {
    text += `${i === 0 ? '' : ','}${pairText(timestamps[i] ?? 0, values[i] ?? 0)}`;
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = '';
  }
  yield text;
}

function metricText(labels: Labels): string {
  return `{"metric":${jsonText(labels.toObject())}`;
}

/** `[1435781451.781,"1"]`: seconds as a number, the value as a text. */
function pairText(ts: number, value: number): string {
  return `[${secondsText(ts)},"${sampleText(value)}"]`;
}

/** Whole seconds, or with three digits behind the point (util/jsonutil of Prometheus). */
function secondsText(ts: number): string {
  const [size, sign] = ts < 0 ? [-ts, '-'] : [ts, ''];
  const milliseconds = size % 1000;
  const seconds = `${sign}${(size - milliseconds) / 1000}`;
  return milliseconds === 0 ? seconds : `${seconds}.${String(milliseconds).padStart(3, '0')}`;
}

/** As util/jsonutil of Prometheus: no exponent, but for the very large and the very small (a scalar never has one). */
function sampleText(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-6 || size >= 1e21) ? formatExponent(value) : formatFloat(value);
}
