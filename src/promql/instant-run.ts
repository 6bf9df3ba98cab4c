import { Exec, INSTANT_STEP_MS, type EvalOptions } from './exec.ts';
import { never, prepareAll } from './look-ahead.ts';
import type { SelectorInfo } from './prepare.ts';
import { PointBuffer, type Querier } from './querier.ts';
import type { MatrixOp } from './selectors.ts';
import { Slices } from './slices.ts';
import { byLabels, type MatrixValue, type Series } from './value.ts';

/** How often a plan whose series change under it is begun anew, before it is evaluated in one piece. */
const ATTEMPTS_MAX = 3;

/** One evaluation at one time, in one piece or in slices. */
export interface InstantRun {
  readonly text: string;
  readonly querier: Querier;
  readonly ts: number;
  readonly options: EvalOptions;
  readonly selectors?: readonly SelectorInfo[];
}

/** An evaluation of one step. */
export function execAt({ text, querier, ts, options }: InstantRun): Exec {
  return new Exec(text, querier, { startTs: ts, endTs: ts, stepMs: INSTANT_STEP_MS }, options);
}

/** So many selectors are resolved when a plan is opened, without a look at the clock. */
const RESOLVED_AT_ONCE = 16;

/** Has a store resolve many selectors, which it then knows when the plan is opened: each may have its regular expressions. */
export async function resolveInSlices(
  querier: Querier,
  selectors: readonly SelectorInfo[] | undefined,
  ts: number,
  slices: Slices,
): Promise<void> {
  if (selectors === undefined || selectors.length <= RESOLVED_AT_ONCE) return;
  for (const { matchers } of selectors) {
    querier.select(matchers, ts, ts);
    if (slices.isOver()) await slices.next();
  }
}

/** Opens a plan and has it read all that takes long, in slices; `eval` is then all that is left to do. */
export async function openInSlices<Op>(
  run: InstantRun,
  open: (exec: Exec) => Op,
  turn: () => Promise<void>,
): Promise<{ exec: Exec; op: Op; slices: Slices }> {
  const slices = new Slices(run.options, turn);
  await slices.next();
  await resolveInSlices(run.querier, run.selectors, run.ts, slices);
  for (let attempt = 1; ; attempt++) {
    const exec = execAt(run);
    const op = open(exec);
    const isOver = attempt < ATTEMPTS_MAX ? slices.isOver : never;
    do if (prepareAll(exec, run.ts, isOver)) return { exec, op, slices };
    while (await goneOn(slices, exec));
  }
}

/** Everything that an opened range vector has. */
export function matrixOf(exec: Exec, op: MatrixOp): MatrixValue {
  const reader = new MatrixReader(exec, op);
  reader.read(never);
  return reader.value(reader.series.sort(byLabels));
}

export async function matrixInSlices(run: InstantRun, open: (exec: Exec) => MatrixOp, turn: () => Promise<void>): Promise<MatrixValue> {
  const { slices, ...opened } = await openInSlices(run, open, turn);
  let { exec, op } = opened;
  for (let attempt = 1; ; attempt++) {
    const reader = new MatrixReader(exec, op);
    const isOver = attempt < ATTEMPTS_MAX ? slices.isOver : never;
    do if (reader.read(isOver)) return reader.value(await slices.sort(reader.series, byLabels));
    while (await goneOn(slices, exec));
    exec = execAt(run);
    op = open(exec);
  }
}

/** Lets others have their turn; whether the evaluation may go on after it. */
async function goneOn(slices: Slices, exec: Exec): Promise<boolean> {
  await slices.next();
  return exec.holds();
}

/** Reads the windows of a range vector one by one. */
class MatrixReader {
  readonly series: Series[] = [];
  readonly #exec: Exec;
  readonly #op: MatrixOp;
  readonly #toTs: number;
  readonly #points = new PointBuffer();
  #next = 0;

  constructor(exec: Exec, op: MatrixOp) {
    this.#exec = exec;
    this.#op = op;
    this.#toTs = op.windowEnd(exec.startTs);
  }

  /** True where all are read. */
  read(enough: () => boolean): boolean {
    const points = this.#points;
    while (this.#next < this.#op.n) {
      const id = this.#next++;
      const count = this.#op.window(id, this.#toTs, points);
      this.#exec.budget.tick(1);
      if (count === 0) continue;
      this.#exec.budget.hold(count);
      const [timestamps, values] = [points.timestamps.slice(0, count), points.values.slice(0, count)];
      this.series.push({ labels: this.#op.space.labels(id), timestamps, values });
      if (enough()) break;
    }
    return this.#next >= this.#op.n;
  }

  value(series: readonly Series[]): MatrixValue {
    return { type: 'matrix', series, ...this.#exec.annotations() };
  }
}
