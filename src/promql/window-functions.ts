import { METRIC_NAME, Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Call, Span } from './ast.ts';
import { unwrapParens } from './ast.ts';
import { executionError, type Exec } from './exec.ts';
import { FOUND, LookAhead, MISSING, type Cells, type Piece } from './look-ahead.ts';
import { formatG } from './number-text.ts';
import { PointBuffer, RunBuffer, RunTable } from './querier.ts';
import type { RangeKernel, WindowContext } from './range-kernels.ts';
import { NOTHING, READ, runKernelOf, VALUE, type RunKernel, type RunResults } from './run-kernels.ts';
import type { MatrixOp } from './selectors.ts';
import { IdMap, InternSpace, Relabel, Vec, type LabelWork, type ScalarOp, type Space, type VectorOp } from './space.ts';

const KEEPS_NAME: ReadonlySet<string> = new Set(['last_over_time', 'first_over_time']);
/** These take as long that rows in memory are worked out series by series too, where others are to have their turn. */
const SORTS: ReadonlySet<string> = new Set(['quantile_over_time', 'mad_over_time']);
const COUNTER_SUFFIXES = ['_total', '_sum', '_count', '_bucket'];

/**
 * A window function over a range selector or subquery. Rows that a store shows as they lie are worked out run by run at
 * each step; what has to be read series by series is read ahead for many steps at once, and the window slides over it.
 */
export class WindowFunctionOp implements VectorOp, Piece {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #call: Call;
  readonly #exec: Exec;
  readonly #matrix: MatrixOp;
  readonly #kernel: RangeKernel;
  readonly #params: readonly ScalarOp[];
  readonly #relabel: Relabel | undefined;
  readonly #counters: CounterNames | undefined;
  readonly #points = new PointBuffer();
  readonly #run = new RunBuffer();
  readonly #table = new RunTable();
  #done = new Uint8Array(0);
  readonly #runKernel: RunKernel;
  readonly #results: RunResults = { values: new Float64Array(0), states: new Uint8Array(0) };
  readonly #out = new Vec();
  readonly #window: WindowContext = { evalTs: 0, fromTs: 0, toTs: 0, param: 0, param2: 0 };
  readonly #ahead: LookAhead;
  readonly #sorts: boolean;
  readonly #sliding = new SlidingWindow();
  /** Where the cells of this step begin; -1 where nothing was read ahead. */
  #row = -1;

  constructor(call: Call, exec: Exec, matrix: MatrixOp, kernel: RangeKernel, params: readonly ScalarOp[]) {
    this.#call = call;
    this.#exec = exec;
    this.#matrix = matrix;
    this.#kernel = kernel;
    this.#sorts = SORTS.has(call.func);
    this.#runKernel = runKernelOf(call.func, kernel);
    this.#params = params;
    this.#relabel = KEEPS_NAME.has(call.func) ? undefined : Relabel.dropName(matrix.space);
    this.space = this.#relabel?.space ?? matrix.space;
    this.labelWork = this.#relabel?.labelWork ?? [];
    const counter = call.func === 'rate' || call.func === 'increase';
    this.#counters = counter ? new CounterNames(exec, matrix.space, call.args[0] ?? call) : undefined;
    this.#ahead = new LookAhead(exec, (id, ts, steps, cells, at, stride) => this.#fill(id, ts, steps, cells, at, stride));
    // An argument that is worked out at each step must not be asked for steps to come.
    if (matrix.span !== undefined && params.every(({ constant }) => constant !== undefined)) this.#ahead.enlist(this, matrix.n);
  }

  prepare(ts: number, enough: () => boolean): boolean {
    const ahead = this.#ahead;
    if (!ahead.covers(ts)) {
      const wanted = this.#sorts ? new Uint8Array(this.#matrix.n).fill(1) : this.#notShown(ts);
      if (wanted === undefined) return true;
      ahead.begin(ts, wanted, (at) => !this.#sorts && this.#notShown(at) === undefined);
    }
    return ahead.work(enough);
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
    this.#row = this.#ahead.rowOf(ts);
    if (!this.#readAll()) {
      const runs = this.#sorts && this.#row >= 0 ? undefined : matrix.openRuns?.(window.toTs);
      if (runs === undefined) for (let id = 0; id < matrix.n; id++) this.#read(id);
      else for (let run = 0; run < runs; run++) this.#readRun(run);
    }
    this.#exec.budget.tick(matrix.n);
    if (out.n > 0) this.#checkQuantile();
    this.#relabel?.apply(out);
    return out;
  }

  /** One series by itself. */
  #read(id: number): void {
    if (this.#row >= 0 && this.#ahead.wants(id)) {
      const { states, values } = this.#ahead.cells;
      if (states[this.#row + id] !== FOUND) return;
      this.#counters?.look(id);
      this.#out.push(id, values[this.#row + id] ?? 0);
      return;
    }
    const points = this.#points;
    const { run, minPoints } = this.#kernel;
    const count = this.#matrix.window(id, this.#window.toTs, points);
    if (count < minPoints) return;
    this.#counters?.look(id);
    this.#out.push(id, run(points.timestamps, points.values, count, this.#window));
  }

  /** The series that have to be read by themselves at a step; undefined where there are none. */
  #notShown(ts: number): Uint8Array | undefined {
    const matrix = this.#matrix;
    const runs = matrix.openRuns?.(matrix.windowEnd(ts));
    if (runs === undefined) return matrix.n === 0 ? undefined : new Uint8Array(matrix.n).fill(1);
    let wanted: Uint8Array | undefined;
    for (let at = 0; at < runs; at++)
      if (matrix.readRun?.(at, this.#run) !== true) (wanted ??= new Uint8Array(matrix.n)).fill(1, this.#run.from, this.#run.to);
    return wanted;
  }

  #fill(id: number, firstTs: number, steps: number, cells: Cells, at: number, stride: number): void {
    const matrix = this.#matrix;
    const { stepMs } = this.#exec;
    const sliding = this.#sliding;
    const first = matrix.windowEnd(firstTs);
    const last = matrix.windowEnd(firstTs + (steps - 1) * stepMs);
    const context = sliding.context;
    context.param = this.#params[0]?.constant ?? 0;
    context.param2 = this.#params[1]?.constant ?? 0;
    sliding.begin(matrix.span?.(id, first - matrix.rangeMs, last, sliding.points) ?? 0);
    const byMs = last === first ? 0 : stepMs;
    for (let step = 0; step < steps; step++) {
      const cell = at + step * stride;
      const toTs = first + step * byMs;
      const count = sliding.moveTo(toTs - matrix.rangeMs, toTs);
      const found = count >= this.#kernel.minPoints;
      cells.states[cell] = found ? FOUND : MISSING;
      if (!found) continue;
      this.#exec.budget.transient(count);
      this.#exec.budget.looked(count);
      context.evalTs = firstTs + step * stepMs;
      cells.values[cell] = sliding.run(this.#kernel);
    }
  }

  /** All runs at once; those that cannot be read so by themselves. False where nothing is read so. */
  #readAll(): boolean {
    const table = this.#table;
    const kernel = this.#runKernel;
    if (kernel.runAll === undefined || this.#matrix.readRuns?.(this.#window.toTs, table) !== true) return false;
    const { values } = this.#roomFor(this.#matrix.n);
    const { runs } = table;
    if (this.#done.length < runs) this.#done = new Uint8Array(runs);
    const done = this.#done;
    if (kernel.runAll(table, this.#window, values, done) === runs) {
      this.#count(table);
      this.#counters?.lookAll(0, this.#matrix.n);
      appendRange(this.#out, 0, this.#matrix.n, values);
      return true;
    }
    for (let run = 0; run < runs; run++) {
      if (done[run] === 1) this.#takeAll(table.starts[run] ?? 0, table.starts[run + 1] ?? 0, table.rows[table.places[run] ?? 0] ?? 0);
      else this.#readRun(run);
    }
    return true;
  }

  /** What all runs have of samples. */
  #count({ runs, starts, rows, places }: RunTable): void {
    let most = 0;
    let samples = 0;
    for (let run = 0; run < runs; run++) {
      const count = rows[places[run] ?? 0] ?? 0;
      if (count > most) most = count;
      samples += count * ((starts[run + 1] ?? 0) - (starts[run] ?? 0));
    }
    this.#exec.budget.transient(most);
    this.#exec.budget.looked(samples);
  }

  #roomFor(series: number): RunResults {
    const results = this.#results;
    if (results.values.length < series) {
      results.values = new Float64Array(this.#matrix.n);
      results.states = new Uint8Array(this.#matrix.n);
    }
    return results;
  }

  #readRun(at: number): void {
    const run = this.#run;
    const shown = this.#matrix.readRun?.(at, run) ?? false;
    if (!shown) {
      for (let id = run.from; id < run.to; id++) this.#read(id);
      return;
    }
    const results = this.#roomFor(run.to);
    if (run.rows < this.#kernel.minPoints) leave(run, results);
    else if (this.#runKernel.run(run, this.#window, results)) {
      this.#takeAll(run.from, run.to, run.rows);
      return;
    }
    this.#take(run, results);
  }

  #takeAll(from: number, to: number, rows: number): void {
    this.#exec.budget.transient(rows);
    this.#exec.budget.looked(rows * (to - from));
    this.#counters?.lookAll(from, to);
    appendRange(this.#out, from, to, this.#results.values);
  }

  #take({ from, to, rows }: RunBuffer, { values, states }: RunResults): void {
    const out = this.#out;
    let counted = false;
    for (let id = from; id < to; id++) {
      const state = states[id];
      if (state === VALUE) {
        if (!counted) this.#exec.budget.transient(rows);
        counted = true;
        this.#exec.budget.looked(rows);
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

/** A window that moves on over the points of one series. */
class SlidingWindow {
  readonly points = new PointBuffer();
  readonly context: WindowContext = { evalTs: 0, fromTs: 0, toTs: 0, param: 0, param2: 0 };
  #n = 0;
  #from = 0;
  #to = 0;
  #timestamps = new Float64Array(64);
  #values = new Float64Array(64);

  begin(n: number): void {
    this.#n = n;
    this.#from = 0;
    this.#to = 0;
  }

  /** How many points are in (fromTs, toTs]. */
  moveTo(fromTs: number, toTs: number): number {
    const { timestamps } = this.points;
    this.context.fromTs = fromTs;
    this.context.toTs = toTs;
    while (this.#to < this.#n && (timestamps[this.#to] ?? 0) <= toTs) this.#to++;
    while (this.#from < this.#to && (timestamps[this.#from] ?? 0) <= fromTs) this.#from++;
    return this.#to - this.#from;
  }

  run({ run }: RangeKernel): number {
    const { timestamps, values } = this.points;
    const from = this.#from;
    const n = this.#to - from;
    if (from === 0) return run(timestamps, values, n, this.context);
    if (this.#values.length < n) {
      this.#timestamps = new Float64Array(2 * n);
      this.#values = new Float64Array(2 * n);
    }
    const [ts, vs] = [this.#timestamps, this.#values];
    for (let i = 0; i < n; i++) {
      ts[i] = timestamps[from + i] ?? 0;
      vs[i] = values[from + i] ?? 0;
    }
    return run(ts, vs, n, this.context);
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
