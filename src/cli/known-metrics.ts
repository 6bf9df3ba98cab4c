import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BelfryError, errorText } from '../core/errors.ts';
import type { KnownMetrics } from '../rules/lint.ts';
import type { BelfryClient } from './client.ts';

/** Names that only Belfry makes, so that its own list is the whole truth about them. */
const OURS = /^(belfry_|kafka_topic_|kafka_consumergroup_|kafka_broker)/;

interface DocumentedIn {
  /** The folder of the installation. */
  readonly installation: string;
  readonly err: { write(text: string): void };
}

/** What docs/metrics.md lists; it says nothing of what exporters may give. */
export function documentedMetrics({ installation, err }: DocumentedIn): KnownMetrics {
  let text: string;
  try {
    text = readFileSync(join(installation, 'docs', 'metrics.md'), 'utf8');
  } catch (error) {
    err.write(`warning: unknown-metric is off, as the list of metrics cannot be read: ${errorText(error)}\n`);
    return { names: [], seen: () => undefined, typeOf: () => undefined };
  }
  const names = new Set<string>();
  const prefixes: string[] = [];
  for (const [, quoted = ''] of text.matchAll(/`([^`]+)`/g)) {
    for (const [, name = '', more] of quoted.matchAll(/(?<![\w:{])([a-z][a-z0-9_:]*_[a-z0-9_:]*|up)(…)?/g)) {
      if (more === undefined) names.add(name);
      else prefixes.push(name);
    }
  }
  return {
    names: [...names].filter((name) => OURS.test(name)),
    seen: (name) => (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix)) ? true : OURS.test(name) ? false : undefined),
    typeOf: () => undefined,
  };
}

/** What the running Belfry has in its store, with the types that scraped pages told. Throws `NOT_READY` where it does not answer. */
export async function storedMetrics(client: BelfryClient): Promise<KnownMetrics> {
  const names = new Set(textsOf(await client.request('GET', '/api/v1/label/__name__/values')));
  const types = typesOf(await client.request('GET', '/api/v1/metadata'));
  return { names, seen: (name) => names.has(name), typeOf: (name) => types.get(name) };
}

function dataOf(answer: unknown): unknown {
  if (typeof answer === 'object' && answer !== null && 'data' in answer) return answer.data;
  throw new BelfryError('BAD_REQUEST', 'the answer is not that of a Prometheus API');
}

function textsOf(answer: unknown): readonly string[] {
  const data = dataOf(answer);
  return Array.isArray(data) ? data.filter((item) => typeof item === 'string') : [];
}

function typesOf(answer: unknown): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  for (const [name, entries] of Object.entries(dataOf(answer) ?? {})) {
    const first: unknown = Array.isArray(entries) ? entries[0] : undefined;
    if (typeof first === 'object' && first !== null && 'type' in first && typeof first.type === 'string') types.set(name, first.type);
  }
  return types;
}
