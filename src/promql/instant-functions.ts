import type { Exec } from './exec.ts';
import { prepareAll, type Piece } from './look-ahead.ts';
import { greatest, least } from './operators.ts';
import { Relabel, Vec, InternSpace, type LabelWork, type ScalarOp, type Space, type VectorOp } from './space.ts';
import { Labels } from '../core/labels.ts';

/** Replaces the first n values in place; a and b are the function's scalar arguments. */
export type MapKernel = (values: Float64Array, n: number, a: number, b: number) => void;

/** For functions that are rarely hot; the others have a loop of their own. */
function each(f: (value: number) => number): MapKernel {
  return (values, n) => {
    for (let i = 0; i < n; i++) values[i] = f(values[i] ?? 0);
  };
}

const abs: MapKernel = (values, n) => {
  for (let i = 0; i < n; i++) values[i] = Math.abs(values[i] ?? 0);
};
const negate: MapKernel = (values, n) => {
  for (let i = 0; i < n; i++) values[i] = -(values[i] ?? 0);
};
const ceil: MapKernel = (values, n) => {
  for (let i = 0; i < n; i++) values[i] = Math.ceil(values[i] ?? 0);
};
const floor: MapKernel = (values, n) => {
  for (let i = 0; i < n; i++) values[i] = Math.floor(values[i] ?? 0);
};
/** Ties go up; the inverse loses fewer digits than a division. */
const round: MapKernel = (values, n, toNearest) => {
  const inverse = 1 / toNearest;
  for (let i = 0; i < n; i++) values[i] = Math.floor((values[i] ?? 0) * inverse + 0.5) / inverse;
};
/** As Go's math.Min and math.Max, where an infinity at the far end wins over NaN. */
const clamp: MapKernel = (values, n, low, high) => {
  for (let i = 0; i < n; i++) values[i] = greatest(low, least(high, values[i] ?? 0));
};

/** A date in UTC from seconds since 1970, by the civil calendar however far away. */
interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly dayOfYear: number;
}

const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Days since 1970-01-01 to a date; eras of 400 years that start in March, as in Hinnant's days_from_civil. */
function civil(days: number): Civil {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayFromMarch = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayFromMarch + 2) / 153);
  const day = dayFromMarch - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const dayOfYear = (DAYS_BEFORE_MONTH[month - 1] ?? 0) + day + (month > 2 && isLeap(year) ? 1 : 0);
  return { year, month, day, dayOfYear };
}

function daysInMonth({ year, month }: Civil): number {
  if (month === 2 && isLeap(year)) return 29;
  return (DAYS_BEFORE_MONTH[month] ?? 0) - (DAYS_BEFORE_MONTH[month - 1] ?? 0);
}

function modulo(value: number, by: number): number {
  return value - Math.floor(value / by) * by;
}

/** The parts of a time, from whole seconds. What is no time (NaN, infinities) gives NaN; in Go it depends on the processor. */
const TIME_PARTS: Readonly<Record<string, (seconds: number) => number>> = {
  minute: (seconds) => Math.floor(modulo(seconds, 3600) / 60),
  hour: (seconds) => Math.floor(modulo(seconds, 86_400) / 3600),
  day_of_week: (seconds) => modulo(Math.floor(seconds / 86_400) + 4, 7),
  day_of_month: (seconds) => civil(Math.floor(seconds / 86_400)).day,
  day_of_year: (seconds) => civil(Math.floor(seconds / 86_400)).dayOfYear,
  days_in_month: (seconds) => daysInMonth(civil(Math.floor(seconds / 86_400))),
  month: (seconds) => civil(Math.floor(seconds / 86_400)).month,
  year: (seconds) => civil(Math.floor(seconds / 86_400)).year,
};

function timePart(f: (seconds: number) => number): MapKernel {
  return each((value) => (Number.isFinite(value) ? f(Math.trunc(value)) : NaN));
}

/** The functions that work on each value for itself, by name; `-` is the sign. */
export const MAP_KERNELS: ReadonlyMap<string, MapKernel> = new Map<string, MapKernel>([
  ['-', negate],
  ['abs', abs],
  ['ceil', ceil],
  ['floor', floor],
  ['round', round],
  ['clamp', clamp],
  ['exp', each(Math.exp)],
  ['sqrt', each(Math.sqrt)],
  ['ln', each(Math.log)],
  ['log2', each(Math.log2)],
  ['log10', each(Math.log10)],
  ['sgn', each((value) => (value < 0 ? -1 : value > 0 ? 1 : value))],
  ['deg', each((value) => value * (180 / Math.PI))],
  ['rad', each((value) => value * (Math.PI / 180))],
  ['sin', each(Math.sin)],
  ['cos', each(Math.cos)],
  ['tan', each(Math.tan)],
  ['asin', each(Math.asin)],
  ['acos', each(Math.acos)],
  ['atan', each(Math.atan)],
  ['sinh', each(Math.sinh)],
  ['cosh', each(Math.cosh)],
  ['tanh', each(Math.tanh)],
  ['asinh', each(Math.asinh)],
  ['acosh', each(Math.acosh)],
  ['atanh', each(Math.atanh)],
  ...Object.entries(TIME_PARTS).map(([name, f]): [string, MapKernel] => [name, timePart(f)]),
]);

/** Applies a kernel to every value and drops the metric name. */
export class MapOp implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #inner: VectorOp;
  readonly #kernel: MapKernel;
  readonly #a: ScalarOp | undefined;
  readonly #b: ScalarOp | undefined;
  readonly #emptyWhenCrossed: boolean;
  readonly #relabel: Relabel;
  readonly #out = new Vec();

  /** `emptyWhenCrossed`: nothing comes out where b is less than a, as `clamp` wants it. */
  constructor(inner: VectorOp, kernel: MapKernel, params: readonly ScalarOp[], emptyWhenCrossed = false) {
    this.#inner = inner;
    this.#kernel = kernel;
    [this.#a, this.#b] = params;
    this.#emptyWhenCrossed = emptyWhenCrossed;
    this.#relabel = Relabel.dropName(inner.space);
    this.space = this.#relabel.space;
    this.labelWork = this.#relabel.labelWork;
  }

  eval(ts: number): Vec {
    const out = this.#out;
    out.copy(this.#inner.eval(ts));
    const a = this.#a?.eval(ts) ?? 0;
    const b = this.#b?.eval(ts) ?? 0;
    if (this.#emptyWhenCrossed && b < a) out.n = 0;
    this.#kernel(out.values, out.n, a, b);
    this.#relabel.apply(out);
    return out;
  }
}

/** Gives every element the same value, dropping names: `timestamp` of anything but a selector. */
export class FillOp implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #inner: VectorOp;
  readonly #value: ScalarOp;
  readonly #relabel: Relabel;
  readonly #out = new Vec();

  constructor(inner: VectorOp, value: ScalarOp) {
    this.#inner = inner;
    this.#value = value;
    this.#relabel = Relabel.dropName(inner.space);
    this.space = this.#relabel.space;
    this.labelWork = this.#relabel.labelWork;
  }

  eval(ts: number): Vec {
    this.#out.copy(this.#inner.eval(ts));
    this.#out.values.fill(this.#value.eval(ts), 0, this.#out.n);
    this.#relabel.apply(this.#out);
    return this.#out;
  }
}

/** One element without labels: `vector(…)` and date functions of the evaluation's time. */
export class SingleOp implements VectorOp {
  readonly space = new InternSpace('none');
  readonly #value: ScalarOp;
  readonly #kernel: MapKernel | undefined;
  readonly #out = new Vec(1);

  constructor(value: ScalarOp, kernel?: MapKernel) {
    this.space.idOf(Labels.empty);
    this.#value = value;
    this.#kernel = kernel;
  }

  eval(ts: number): Vec {
    this.#out.reset(1);
    this.#out.push(0, this.#value.eval(ts));
    this.#kernel?.(this.#out.values, 1, 0, 0);
    return this.#out;
  }
}

/** Sorts by value, NaN last in both directions; elements of equal value keep their order. */
export class SortOp implements VectorOp {
  readonly space: Space;
  readonly #inner: VectorOp;
  readonly #sign: 1 | -1;
  readonly #out = new Vec();

  constructor(inner: VectorOp, descending: boolean) {
    this.space = inner.space;
    this.#inner = inner;
    this.#sign = descending ? -1 : 1;
  }

  eval(ts: number): Vec {
    const vec = this.#inner.eval(ts);
    const { values, ids, n } = vec;
    const order = Int32Array.from({ length: n }, (_, i) => i);
    order.sort((x, y) => compareValues(values[x] ?? 0, values[y] ?? 0, this.#sign));
    this.#out.reset(n);
    for (const index of order) this.#out.push(ids[index] ?? 0, values[index] ?? 0);
    return this.#out;
  }
}

function compareValues(x: number, y: number, sign: 1 | -1): number {
  const xNaN = Number.isNaN(x);
  if (xNaN || Number.isNaN(y)) return xNaN === Number.isNaN(y) ? 0 : xNaN ? 1 : -1;
  return x < y ? -sign : x > y ? sign : 0;
}

/** `sort_by_label` and its descending form: by the given labels in natural order, then by all labels. */
export class SortByLabelOp implements VectorOp {
  readonly space: Space;
  readonly #inner: VectorOp;
  readonly #compare: (a: Labels, b: Labels) => number;
  readonly #out = new Vec();

  constructor(inner: VectorOp, compare: (a: Labels, b: Labels) => number) {
    this.space = inner.space;
    this.#inner = inner;
    this.#compare = compare;
  }

  eval(ts: number): Vec {
    const { values, ids, n } = this.#inner.eval(ts);
    const labels = Array.from({ length: n }, (_, i) => this.space.labels(ids[i] ?? 0));
    const order = labels.map((_, i) => i).sort((x, y) => this.#compare(labels[x] ?? Labels.empty, labels[y] ?? Labels.empty));
    this.#out.reset(n);
    for (const index of order) this.#out.push(ids[index] ?? 0, values[index] ?? 0);
    return this.#out;
  }
}

/** The value of a vector of exactly one element, NaN otherwise. */
export class ScalarOfOp implements ScalarOp {
  readonly #inner: VectorOp;

  constructor(inner: VectorOp) {
    this.#inner = inner;
  }

  eval(ts: number): number {
    const vec = this.#inner.eval(ts);
    return vec.n === 1 ? (vec.values[0] ?? NaN) : NaN;
  }
}

/** Evaluates once what is the same at every step: `inner` is opened for one step of its own. */
export class InvariantOp implements VectorOp, Piece {
  readonly space: Space;
  readonly #inner: VectorOp;
  readonly #once: Exec;
  #result: Vec | undefined;

  constructor(exec: Exec, open: (once: Exec) => VectorOp) {
    this.#once = exec.child(exec.startTs, exec.startTs, exec.stepMs);
    this.#inner = open(this.#once);
    this.space = this.#inner.space;
    exec.pieces.push(this);
  }

  prepare(_: number, enough: () => boolean): boolean {
    if (this.#result !== undefined) return true;
    if (!prepareAll(this.#once, this.#once.startTs, enough)) return false;
    this.eval();
    return true;
  }

  eval(): Vec {
    return (this.#result ??= this.#inner.eval(this.#once.startTs));
  }
}
