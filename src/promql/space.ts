import { keyOf, METRIC_NAME, Labels } from '../core/labels.ts';
import type { Selection } from './querier.ts';
import { executionError } from './exec.ts';

/**
 * The label sets that a part of an expression can give, addressed by small numbers. Within a space different ids
 * have different labels, and an id keeps its labels for the whole evaluation, so that everything derived from labels
 * (groups, matches, names dropped) is worked out once per series and not once per step.
 */
export interface Space {
  labels(id: number): Labels;
  /** Whether the sets carry metric names: none of them, all the same one, or any. */
  readonly names: 'none' | 'one' | 'many';
  /** Where all ids that there are so far can be told: they are 0 … known-1. */
  readonly known?: number | undefined;
}

/** What an operator works out once for each id of a space. */
export interface LabelWork {
  readonly space: Space;
  readonly look: (id: number) => void;
  /** Where the labels go that it makes. */
  readonly into?: InternSpace;
}

/** Bytes of a label set beside its texts: objects and places in tables, roughly; and of each name and value. */
const LABELS_BYTES = 150;
const TEXT_BYTES = 8;

/** The series of a selection, by their number there. */
export class SelectionSpace implements Space {
  readonly names: 'one' | 'many';
  readonly #selection: Selection;

  constructor(selection: Selection, oneName: boolean) {
    this.#selection = selection;
    this.names = oneName ? 'one' : 'many';
  }

  get known(): number {
    return this.#selection.n;
  }

  labels(id: number): Labels {
    return this.#selection.labels(id);
  }
}

/** A space of series with one metric name, that name dropped: the ids stay. */
class NamelessSpace implements Space {
  readonly names = 'none';
  readonly #parent: Space;

  constructor(parent: Space) {
    this.#parent = parent;
  }

  get known(): number {
    return this.#parent.known ?? 0;
  }

  labels(id: number): Labels {
    return dropName(this.#parent.labels(id));
  }
}

/** Label sets that get their number when they are first seen. */
export class InternSpace implements Space {
  readonly names: Space['names'];
  /** Counts what the labels take. */
  budget: { room(bytes: number): void } | undefined;
  readonly #ids = new Map<string, number>();
  readonly #labels: Labels[] = [];

  constructor(names: Space['names'] = 'many') {
    this.names = names;
  }

  /** The number of the labels that have this key, where they have one. */
  find(key: string): number | undefined {
    return this.#ids.get(key);
  }

  idOf(labels: Labels): number {
    const known = this.#ids.get(labels.key);
    if (known !== undefined) return known;
    const id = this.#labels.length;
    this.#ids.set(labels.key, id);
    this.#labels.push(labels);
    this.budget?.room(LABELS_BYTES + TEXT_BYTES * labels.pairs.length + 2 * labels.key.length);
    return id;
  }

  labels(id: number): Labels {
    return this.#labels[id] ?? Labels.empty;
  }

  get size(): number {
    return this.#labels.length;
  }

  get known(): number {
    return this.size;
  }
}

/**
 * Numbers label sets by a part of their labels: only the named ones, or all but the named ones. The part itself is
 * made only for the first series that has it.
 */
export class Projection {
  readonly space: InternSpace;
  readonly #names: ReadonlySet<string>;
  readonly #keep: boolean;

  constructor(names: readonly string[], keep: boolean, spaceNames: Space['names'] = 'many') {
    this.space = new InternSpace(spaceNames);
    this.#names = new Set(names);
    this.#keep = keep;
  }

  idOf(labels: Labels): number {
    const { pairs } = labels;
    const projected: string[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      const name = pairs[i] ?? '';
      if (this.#names.has(name) === this.#keep) projected.push(name, pairs[i + 1] ?? '');
    }
    return this.space.find(keyOf(projected)) ?? this.space.idOf(this.project(labels));
  }

  project(labels: Labels): Labels {
    return labels.filter((name) => this.#names.has(name) === this.#keep);
  }
}

/** A growing map from id to id; -1 where nothing is set. */
export class IdMap {
  #ids = new Int32Array(0);

  get(id: number): number {
    return id < this.#ids.length ? (this.#ids[id] ?? -1) : -1;
  }

  set(id: number, value: number): void {
    if (id >= this.#ids.length) {
      const grown = new Int32Array(Math.max(64, id + 1, this.#ids.length * 2)).fill(-1);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    this.#ids[id] = value;
  }
}

/** Remembers which ids came by since `begin`, without being emptied each time. */
export class Seen {
  readonly #rounds = new IdMap();
  #round = 0;

  begin(): void {
    this.#round++;
  }

  /** True the first time in this round. */
  add(id: number): boolean {
    if (this.#rounds.get(id) === this.#round) return false;
    this.#rounds.set(id, this.#round);
    return true;
  }

  has(id: number): boolean {
    return this.#rounds.get(id) === this.#round;
  }
}

/** A vector in columns: ids of a space and their values. Reused by its owner from step to step. */
export class Vec {
  n = 0;
  ids: Int32Array;
  values: Float64Array;

  constructor(capacity = 0) {
    this.ids = new Int32Array(capacity);
    this.values = new Float64Array(capacity);
  }

  /** Empties the vector and makes room for that many entries. */
  reset(capacity: number): void {
    this.n = 0;
    if (capacity <= this.ids.length) return;
    const size = Math.max(capacity, this.ids.length * 2);
    this.ids = new Int32Array(size);
    this.values = new Float64Array(size);
  }

  /** Appends within the room that `reset` made. */
  push(id: number, value: number): void {
    this.ids[this.n] = id;
    this.values[this.n] = value;
    this.n++;
  }

  /** Becomes a copy of another vector. */
  copy(from: Vec): void {
    this.reset(from.n);
    this.n = from.n;
    this.ids.set(from.n === from.ids.length ? from.ids : from.ids.subarray(0, from.n));
    this.values.set(from.n === from.values.length ? from.values : from.values.subarray(0, from.n));
  }
}

/** A part of a plan that gives an instant vector at each step. The vector belongs to it and is valid until the next call. */
export interface VectorOp {
  readonly space: Space;
  /** What it works out once a series, which can be done before it is evaluated. */
  readonly labelWork?: readonly LabelWork[];
  /** As `eval`, until that is enough; undefined where there is something left to do, for which it is called again. */
  work?(ts: number, enough: () => boolean): Vec | undefined;
  eval(ts: number): Vec;
}

export interface ScalarOp {
  /** Where it is the same at every step, that value. */
  readonly constant?: number;
  eval(ts: number): number;
}

export function dropName(labels: Labels): Labels {
  return labels.get(METRIC_NAME) === '' ? labels : labels.without(METRIC_NAME);
}

/** Gives the entries of a vector other labels, and refuses it when two entries then have the same ones. */
export class Relabel {
  readonly space: Space;
  readonly #source: Space;
  readonly #target: InternSpace | undefined;
  readonly #derive: (labels: Labels) => Labels;
  readonly #ids = new IdMap();
  readonly #seen = new Seen();

  constructor(source: Space, derive: (labels: Labels) => Labels, space?: Space) {
    this.#source = source;
    this.#derive = derive;
    this.#target = space === undefined ? new InternSpace() : undefined;
    this.space = space ?? this.#target ?? source;
  }

  /** Drops metric names; free where that cannot make two series equal. */
  static dropName(source: Space): Relabel {
    if (source.names === 'none') return new Relabel(source, dropName, source);
    if (source.names === 'one') return new Relabel(source, dropName, new NamelessSpace(source));
    return new Relabel(source, dropName);
  }

  /** What `apply` works out once a series. */
  get labelWork(): readonly LabelWork[] {
    const into = this.#target;
    return into === undefined ? [] : [{ space: this.#source, look: (id) => void this.#map(id, into), into }];
  }

  #map(from: number, target: InternSpace): number {
    let to = this.#ids.get(from);
    if (to < 0) {
      to = target.idOf(this.#derive(this.#source.labels(from)));
      this.#ids.set(from, to);
    }
    return to;
  }

  /** Maps the ids of a vector in place. */
  apply(vec: Vec): void {
    const target = this.#target;
    if (target === undefined) return;
    this.#seen.begin();
    const { ids, n } = vec;
    for (let i = 0; i < n; i++) {
      const to = this.#map(ids[i] ?? 0, target);
      if (!this.#seen.add(to)) throw duplicateLabels();
      ids[i] = to;
    }
  }
}

export function duplicateLabels(): Error {
  return executionError('vector cannot contain metrics with the same labelset');
}
