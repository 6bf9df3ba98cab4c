import { METRIC_NAME, Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Call, Span } from './ast.ts';
import { unwrapParens } from './ast.ts';
import { executionError, type Exec } from './exec.ts';
import { formatG } from './number-text.ts';
import { PointBuffer, RunBuffer } from './querier.ts';
import type { RangeKernel, WindowContext } from './range-kernels.ts';
import { NOTHING, READ, runKernelOf, VALUE, type RunKernel, type RunResults } from './run-kernels.ts';
import type { MatrixOp } from './selectors.ts';
import { IdMap, InternSpace, Relabel, Vec, type ScalarOp, type Space, type VectorOp } from './space.ts';

const KEEPS_NAME: ReadonlySet<string> = new Set(['last_over_time', 'first_over_time']);
const COUNTER_SUFFIXES = ['_total', '_sum', '_count', '_bucket'];

/** A window function over a range selector or subquery: one kernel run a series and step, on one reused buffer. */
export class WindowFunctionOp implements VectorOp {
  readonly space: Space;
  readonly #call: Call;
  readonly #exec: Exec;
  readonly #matrix: MatrixOp;
  readonly #kernel: RangeKernel;
  readonly #params: readonly ScalarOp[];
  readonly #relabel: Relabel | undefined;
  readonly #counters: CounterNames | undefined;
  readonly #points = new PointBuffer();
  readonly #run = new RunBuffer();
  readonly #runKernel: RunKernel;
  readonly #results: RunResults = { values: new Float64Array(0), states: new Uint8Array(0) };
  readonly #out = new Vec();
  readonly #window: WindowContext = { evalTs: 0, fromTs: 0, toTs: 0, param: 0, param2: 0 };

  constructor(call: Call, exec: Exec, matrix: MatrixOp, kernel: RangeKernel, params: readonly ScalarOp[]) {
    this.#call = call;
    this.#exec = exec;
    this.#matrix = matrix;
    this.#kernel = kernel;
    this.#runKernel = runKernelOf(call.func, kernel);
    this.#params = params;
    this.#relabel = KEEPS_NAME.has(call.func) ? undefined : Relabel.dropName(matrix.space);
    this.space = this.#relabel?.space ?? matrix.space;
    const counter = call.func === 'rate' || call.func === 'increase';
    this.#counters = counter ? new CounterNames(exec, matrix.space, call.args[0] ?? call) : undefined;
  }

  eval(ts: number): Vec {
    const matrix = this.#matrix;
    const window = this.#window;
    const out = this.#out;
    window.evalTs = ts;
    window.toTs = matrix.windowEnd(ts);
    window.fromTs = window.toTs - matrix.rangeMs;
    window.param = this.#params[0]?.eval(ts) ?? 0;
    window.param2 = this.#params[1]?.eval(ts) ?? 0;
    this.#checkSmoothing();
    out.reset(matrix.n);
    this.#counters?.begin();
    const runs = matrix.openRuns?.(window.toTs);
    if (runs === undefined) for (let id = 0; id < matrix.n; id++) this.#read(id);
    else for (let run = 0; run < runs; run++) this.#readRun(run);
    this.#exec.budget.tick(matrix.n);
    if (out.n > 0) this.#checkQuantile();
    this.#relabel?.apply(out);
    return out;
  }

  /** One series by itself. */
  #read(id: number): void {
    const points = this.#points;
    const { run, minPoints } = this.#kernel;
    const count = this.#matrix.window(id, this.#window.toTs, points);
    if (count < minPoints) return;
    this.#counters?.look(id);
    this.#out.push(id, run(points.timestamps, points.values, count, this.#window));
  }

  #readRun(at: number): void {
    const run = this.#run;
    const shown = this.#matrix.readRun?.(at, run) ?? false;
    if (!shown) {
      for (let id = run.from; id < run.to; id++) this.#read(id);
      return;
    }
    const results = this.#results;
    if (results.values.length < run.to) {
      results.values = new Float64Array(this.#matrix.n);
      results.states = new Uint8Array(this.#matrix.n);
    }
    if (run.rows < this.#kernel.minPoints) leave(run, results);
    else if (this.#runKernel.run(run, this.#window, results)) {
      this.#takeAll(run, results);
      return;
    }
    this.#take(run, results);
  }

  #takeAll(run: RunBuffer, { values }: RunResults): void {
    this.#exec.budget.transient(run.rows);
    this.#counters?.lookAll(run.from, run.to);
    appendRange(this.#out, run.from, run.to, values);
  }

  #take({ from, to, rows }: RunBuffer, { values, states }: RunResults): void {
    const out = this.#out;
    let counted = false;
    for (let id = from; id < to; id++) {
      const state = states[id];
      if (state === VALUE) {
        if (!counted) this.#exec.budget.transient(rows);
        counted = true;
        this.#counters?.look(id);
        out.push(id, values[id] ?? 0);
      } else if (state === READ) this.#read(id);
    }
  }

  #checkQuantile(): void {
    if (this.#call.func === 'quantile_over_time') warnOfQuantile(this.#exec, this.#window.param, this.#call.args[0] ?? this.#call);
  }

  #checkSmoothing(): void {
    if (this.#call.func !== 'double_exponential_smoothing' || this.#matrix.n === 0) return;
    const { param, param2 } = this.#window;
    if (param <= 0 || param >= 1) throw executionError(`invalid smoothing factor. Expected: 0 < sf < 1, got: ${param.toFixed(6)}`);
    if (param2 <= 0 || param2 >= 1) throw executionError(`invalid trend factor. Expected: 0 < tf < 1, got: ${param2.toFixed(6)}`);
  }
}

/** Appends the series from … to-1, whose values stand at their own numbers. */
function appendRange(out: Vec, from: number, to: number, values: Float64Array): void {
  const { ids, values: into } = out;
  let { n } = out;
  for (let id = from; id < to; id++) {
    ids[n] = id;
    into[n++] = values[id] ?? 0;
  }
  out.n = n;
}

/** A run with too few rows for the function: only series that are not in its rows may have enough samples. */
function leave({ from, to, columns }: RunBuffer, { states }: RunResults): void {
  for (let id = from; id < to; id++) states[id] = (columns[id] ?? -1) < 0 ? READ : NOTHING;
}

/** Tells at each evaluation of every metric that a rate is taken of though its name is not a counter's. */
class CounterNames {
  readonly #exec: Exec;
  readonly #space: Space;
  readonly #span: Span;
  /** Per series 1 + the place of what there is to tell of it; 0 where that is nothing. */
  readonly #known = new IdMap();
  readonly #messages: string[] = [];
  #told = false;

  constructor(exec: Exec, space: Space, span: Span) {
    this.#exec = exec;
    this.#space = space;
    this.#span = span;
  }

  begin(): void {
    this.#told = this.#space.names === 'none';
  }

  lookAll(from: number, to: number): void {
    for (let id = from; id < to && !this.#told; id++) this.look(id);
  }

  look(id: number): void {
    if (this.#told) return;
    let known = this.#known.get(id);
    if (known < 0) this.#known.set(id, (known = this.#judge(this.#space.labels(id).metricName)));
    const message = this.#messages[known - 1];
    if (message !== undefined) this.#exec.info(message, this.#span);
    this.#told = this.#space.names === 'one';
  }

  #judge(name: string): number {
    if (name === '' || COUNTER_SUFFIXES.some((suffix) => name.endsWith(suffix))) return 0;
    const message = `metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${JSON.stringify(name)}`;
    const at = this.#messages.indexOf(message);
    return at < 0 ? this.#messages.push(message) : at + 1;
  }
}

/** Warns of a quantile outside 0..1. */
export function warnOfQuantile(exec: Exec, q: number, span: Span): void {
  if (Number.isNaN(q) || q < 0 || q > 1) exec.warn(`quantile value should be between 0 and 1, got ${formatG(q)}`, span);
}

/** `absent` and `absent_over_time`: one series with value 1 where there is nothing, labelled by the equality matchers. */
export class AbsentOp implements VectorOp {
  readonly space = new InternSpace('none');
  readonly #isEmpty: (ts: number) => boolean;
  readonly #out = new Vec(1);

  constructor(call: Call, isEmpty: (ts: number) => boolean) {
    this.space.idOf(absentLabels(call));
    this.#isEmpty = isEmpty;
  }

  eval(ts: number): Vec {
    this.#out.reset(1);
    if (this.#isEmpty(ts)) this.#out.push(0, 1);
    return this.#out;
  }
}

/** Looks for any point in a window. */
export function isEmptyWindow(matrix: MatrixOp): (ts: number) => boolean {
  const points = new PointBuffer();
  return (ts) => {
    const toTs = matrix.windowEnd(ts);
    for (let id = 0; id < matrix.n; id++) if (matrix.window(id, toTs, points) > 0) return false;
    return true;
  };
}

function absentLabels(call: Call): Labels {
  const [argument] = call.args;
  if (argument === undefined) return Labels.empty;
  const inner = unwrapParens(argument);
  const matchers: readonly Matcher[] = inner.kind === 'selector' ? inner.matchers : inner.kind === 'matrix' ? inner.selector.matchers : [];
  const values = new Map<string, string>();
  const has = new Set<string>();
  for (const { name, op, value } of matchers) {
    if (name === METRIC_NAME) continue;
    if (op === '=' && !has.has(name)) {
      values.set(name, value);
      has.add(name);
    } else values.delete(name);
  }
  return Labels.of(values);
}
