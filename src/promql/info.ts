import { METRIC_NAME, type Labels } from '../core/labels.ts';
import { Matcher, matchesAll } from '../core/matcher.ts';
import type { Call } from './ast.ts';
import { executionError, type Exec } from './exec.ts';
import { InstantSelectorOp } from './selectors.ts';
import { InternSpace, Seen, Vec, duplicateLabels, type Space, type VectorOp } from './space.ts';

const TARGET_INFO = new Matcher(METRIC_NAME, '=', 'target_info');
const ANY_INFO = new Matcher(METRIC_NAME, '=~', '.+_info');
/** By these labels an info series belongs to others. */
const IDENTIFYING = ['instance', 'job'];
/** Labels of info series may change without end: with more results, what is known of them is not kept for the next evaluation. */
const MAX_RESULTS = 100_000;

/** The info series of one step, by metric and then by the values of the identifying labels. */
type InfoSeries = Map<string, Map<string, { readonly labels: Labels; readonly seconds: number }>>;

/**
 * `info(v, {data=~".+"})`: the elements with labels of the info series, such as `target_info`, that have the same `instance` and
 * `job`: of all those labels, or only those that matchers name. (Prometheus 3.x, promql/info.go.)
 */
export class InfoOp implements VectorOp {
  readonly space = new InternSpace();
  readonly #exec: Exec;
  readonly #base: VectorOp;
  readonly #info: InstantSelectorOp;
  /** Which metrics are asked for; their own series stay as they are. */
  readonly #nameMatchers: readonly Matcher[];
  /** Only labels with these names are taken; all where there are none. */
  readonly #dataNames: ReadonlySet<string>;
  /** Whether what belongs to no info series stays as it is. */
  readonly #mayLack: boolean;
  readonly #seen = new Seen();
  readonly #out = new Vec();

  constructor(call: Call, exec: Exec, base: VectorOp) {
    const selector = call.args[1];
    const matchers = selector?.kind === 'selector' ? selector.matchers : undefined;
    const names = nameMatchers(matchers?.filter(({ name }) => name === METRIC_NAME) ?? []);
    const data = matchers?.filter(({ name }) => name !== METRIC_NAME) ?? [];
    this.#exec = exec;
    this.#base = base;
    this.#nameMatchers = names;
    this.#dataNames = new Set(data.map(({ name }) => name));
    this.#mayLack = data.every((matcher) => matcher.matchesEmpty);
    const wanted = [...names, ...data];
    this.#info = new InstantSelectorOp({ kind: 'selector', matchers: wanted, offsetMs: 0, from: call.from, to: call.to }, exec, true);
  }

  eval(ts: number): Vec {
    const { ids, values, n } = this.#base.eval(ts);
    const out = this.#out;
    out.reset(n);
    if (n === 0) return out;
    this.#seen.begin();
    const { space } = this.#base;
    const bases = Array.from({ length: n }, (_, i) => space.labels(ids[i] ?? 0));
    const isInfo = bases.map((labels) => matchesAll(this.#nameMatchers, labels));
    const info = this.#infoOf(
      bases.filter((_, i) => isInfo[i] === false),
      ts,
    );
    for (const [i, labels] of bases.entries()) {
      const result = isInfo[i] === true ? labels : this.#enriched(labels, info);
      if (result === undefined) continue;
      const id = this.space.idOf(result);
      if (!this.#seen.add(id)) throw duplicateLabels();
      out.push(id, values[i] ?? 0);
    }
    if (this.space.size > MAX_RESULTS) this.#exec.wornOut = true;
    return out;
  }

  /** The info series there are at a time that have every identifying label that any of the others has; the newest of each. */
  #infoOf(bases: readonly Labels[], ts: number): InfoSeries {
    const found: InfoSeries = new Map();
    const vec = this.#info.eval(ts);
    const needed = IDENTIFYING.filter((name) => bases.some((labels) => labels.has(name)));
    if (needed.length === 0) return found;
    const space: Space = this.#info.space;
    for (let i = 0; i < vec.n; i++) {
      const labels = space.labels(vec.ids[i] ?? 0);
      if (!needed.every((name) => labels.has(name))) continue;
      const seconds = vec.values[i] ?? 0;
      let ofMetric = found.get(labels.metricName);
      if (ofMetric === undefined) found.set(labels.metricName, (ofMetric = new Map()));
      const key = identity(labels);
      const other = ofMetric.get(key);
      if (other?.seconds === seconds) throw twice(other.labels, labels, seconds);
      if (other === undefined || other.seconds < seconds) ofMetric.set(key, { labels, seconds });
    }
    return found;
  }

  /** Undefined where a label was asked for that must not be empty, and there is no info series. */
  #enriched(base: Labels, info: InfoSeries): Labels | undefined {
    const key = identity(base);
    const added = new Map<string, string>();
    let matched = false;
    for (const ofMetric of info.values()) {
      const series = ofMetric.get(key);
      if (series === undefined) continue;
      matched = true;
      for (const [name, value] of series.labels) {
        if (name === METRIC_NAME || (this.#dataNames.size > 0 && !this.#dataNames.has(name))) continue;
        const before = added.get(name);
        if (before !== undefined && before !== value) throw executionError(`conflicting label: ${name}`);
        if (!base.has(name)) added.set(name, value);
      }
    }
    if (!matched && !this.#mayLack) return undefined;
    let result = base;
    for (const [name, value] of added) result = result.with(name, value);
    return result;
  }
}

/** Without any, `target_info` is meant; where they only say what not, of all info metrics. */
function nameMatchers(given: readonly Matcher[]): readonly Matcher[] {
  if (given.length === 0) return [TARGET_INFO];
  return given.some(({ op }) => op === '=' || op === '=~') ? given : [...given, ANY_INFO];
}

function identity(labels: Labels): string {
  return JSON.stringify(IDENTIFYING.map((name) => labels.get(name)));
}

function twice(a: Labels, b: Labels, seconds: number): Error {
  const at = Math.round(seconds * 1000);
  return executionError(`found duplicate series for info metric: existing ${a.toString()} @ ${at}, new ${b.toString()} @ ${at}`);
}
