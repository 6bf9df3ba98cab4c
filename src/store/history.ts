import type { Labels } from '../core/labels.ts';
import { METRIC_NAME } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import { HistoryFile, type HistoryNames } from './history-file.ts';
import { HistoryLane } from './history-lane.ts';
import type { HistoryLog } from './history-log.ts';
import { DEFAULT_WINDOW_BYTES, WindowBudget } from './history-rows.ts';
import { HistorySelection, type HistoryView } from './history-selection.ts';
import { InvertedIndex } from './inverted-index.ts';
import type { SeriesId } from './series-table.ts';

/** A reach is rounded up to one of few, so that selectors share windows: a minute more than 5, 10, 20 … minutes. */
const LEAST_REACH_MS = 300_000;
const MARGIN_MS = 60_000;
const NO_LANES: readonly HistoryLane[] = [];

interface Made {
  readonly selection: HistorySelection;
  readonly matchers: readonly Matcher[];
  readonly reachMs: number;
}

export interface HistoryOptions {
  /** Bytes of all windows together. Default 1 GiB. */
  readonly windowBytes?: number;
  /** Called before each block and record of the log is read; what it throws ends the read. */
  readonly checkpoint?: () => void;
  /** Series that cannot be seen: what is replayed makes them anew. */
  readonly hides?: { readonly names: (metricName: string) => boolean; readonly series: (labels: Labels) => boolean };
}

/**
 * The samples of `samples.db` as they could be seen at a present that only moves forward: selectors are resolved once, blocks
 * are read once in the order of time, and of a block only the columns that somebody selects are decoded. Memory holds what
 * the windows reach back, not the range.
 */
export class History implements HistoryView {
  readonly budget: WindowBudget;
  now = -Infinity;
  isRehearsal = true;
  readonly #file: HistoryFile;
  readonly #names: HistoryNames;
  readonly #index: InvertedIndex;
  readonly #hides: HistoryOptions['hides'];
  readonly #lanes = new Map<number, HistoryLane>();
  readonly #lanesOfSeries = new Map<SeriesId, readonly HistoryLane[]>();
  readonly #byMatchers = new WeakMap<readonly Matcher[], Map<number, HistorySelection>>();
  #byText = new Map<string, Made>();
  #generation = 0;
  readonly #generations = new WeakMap<HistorySelection, number>();
  #isBehind = false;
  #log: HistoryLog | undefined;
  /** 1 for each series that somebody selects. */
  readonly #isWanted: Uint8Array;
  /** Lanes of which a series is wanted that was not when the log was played. */
  readonly #incomplete = new Set<HistoryLane>();
  #fromTs = -Infinity;
  #toTs = Infinity;
  /** The longest that a selector reached back in the rehearsal. */
  #reachMs = LEAST_REACH_MS + MARGIN_MS;

  /** Opens a file for reading; throws as `HistoryFile`. */
  constructor(path: string, options: HistoryOptions = {}) {
    this.#file = new HistoryFile(path, options.checkpoint ?? (() => undefined));
    this.budget = new WindowBudget(options.windowBytes ?? DEFAULT_WINDOW_BYTES);
    this.#hides = options.hides;
    try {
      this.#names = this.#file.names();
    } catch (error) {
      this.#file.close();
      throw error;
    }
    this.#isWanted = new Uint8Array(this.#names.series.end);
    this.#index = new InvertedIndex(this.#names.series);
    for (let id = 0; id < this.#names.series.end; id++) if (this.#names.series.exists(id)) this.#index.add(id);
  }

  close(): void {
    this.#file.close();
  }

  /** The times of the oldest and newest samples. */
  bounds(): { readonly minTs: number; readonly maxTs: number } | undefined {
    return this.#file.bounds();
  }

  /** Parts of the history that could not be read. */
  get holes(): number {
    return this.#file.holes;
  }

  /** Ends the rehearsal, in which the present was set to `now` and selectors told how far they reach: from now on reads see samples. */
  begin(fromTs: number, toTs: number): void {
    this.#toTs = toTs;
    this.#fromTs = fromTs - this.#reachMs;
    const { lanes, log } = this.#file.contents(this.#fromTs, toTs, (id) => this.#isWanted[id] === 1);
    this.#log = log;
    for (const [id, content] of lanes) {
      this.#lanes.set(id, new HistoryLane(id, this.#names.sideLanes.has(id), content, this.#file, toTs));
      this.budget.grow(content.tail?.bytes ?? 0);
    }
    const rehearsed = [...this.#byText].toSorted(([, a], [, b]) => b.reachMs - a.reachMs);
    this.#byText = new Map();
    this.#generation++;
    this.isRehearsal = false;
    // The rehearsal was at another time than the warm-up begins.
    this.now = fromTs;
    // Those that reach furthest come first: what they have in a window, the others find there.
    for (const [text, { matchers, reachMs }] of rehearsed) this.#make(text, matchers, reachMs);
    for (const lane of this.#lanes.values()) lane.moveTo(this.now);
  }

  /** Moves the present on. Throws `LIMIT_EXCEEDED` where the windows need too much memory. */
  moveTo(now: number): void {
    // A query may have met it, which is a failure of a rule there.
    this.budget.grow(0);
    if (now < this.now) return;
    this.now = now;
    if (this.isRehearsal) return;
    for (const lane of this.#lanes.values()) if (lane.nextTs <= now) lane.moveTo(now);
  }

  catchUp(): void {
    if (!this.#isBehind) return;
    this.#isBehind = false;
    this.#completeTails();
    for (const lane of this.#lanes.values()) lane.catchUp(this.now);
  }

  select(matchers: readonly Matcher[], minTs: number, _maxTs: number): HistorySelection {
    const reachMs = reachOf(this.now - minTs);
    if (this.isRehearsal) this.#reachMs = Math.max(this.#reachMs, reachMs);
    let byReach = this.#byMatchers.get(matchers);
    if (byReach === undefined) this.#byMatchers.set(matchers, (byReach = new Map()));
    const known = byReach.get(reachMs);
    if (known !== undefined && this.#generations.get(known) === this.#generation) return known;
    const text = `${reachMs} ${matchers.map(String).toSorted().join(',')}`;
    const selection = this.#byText.get(text)?.selection ?? this.#make(text, matchers, reachMs);
    byReach.set(reachMs, selection);
    return selection;
  }

  labels(id: SeriesId): Labels {
    return this.#names.series.labels(id);
  }

  lanesOf(id: SeriesId): readonly HistoryLane[] {
    if (this.isRehearsal) return NO_LANES;
    let lanes = this.#lanesOfSeries.get(id);
    if (lanes === undefined) {
      lanes = (this.#names.lanes.get(id) ?? []).flatMap((lane) => this.#lanes.get(lane) ?? []);
      this.#lanesOfSeries.set(id, lanes);
    }
    return lanes;
  }

  #make(text: string, matchers: readonly Matcher[], reachMs: number): HistorySelection {
    const ids = this.#resolve(matchers);
    for (const id of ids) {
      if (this.#isWanted[id] === 1) continue;
      this.#isWanted[id] = 1;
      if (!this.isRehearsal) for (const lane of this.lanesOf(id)) if (lane.hasTail) this.#incomplete.add(lane);
    }
    const selection = new HistorySelection(ids, reachMs, this);
    this.#generations.set(selection, this.#generation);
    this.#byText.set(text, { selection, matchers, reachMs });
    this.#isBehind = true;
    return selection;
  }

  /** Plays the log once more where series are asked for that were not when it was played. */
  #completeTails(): void {
    if (this.#log === undefined || this.#incomplete.size === 0) return;
    const ids = new Set([...this.#incomplete].map(({ id }) => id));
    const tails = this.#file.tailsOf(
      this.#log,
      (lane) => ids.has(lane),
      (id) => this.#isWanted[id] === 1,
    );
    for (const lane of this.#incomplete) {
      const tail = tails.get(lane.id);
      if (tail !== undefined) lane.replaceTail(tail, this.budget);
    }
    this.#incomplete.clear();
  }

  #resolve(matchers: readonly Matcher[]): Int32Array {
    const found = this.#index.resolve(matchers).slice();
    const alive = found.filter((id) => this.#isInRange(id));
    return this.#hides === undefined || !this.#mayHide(matchers) ? alive : alive.filter((id) => !this.#isHidden(id));
  }

  #isInRange(id: SeriesId): boolean {
    if (this.isRehearsal) return true;
    const [lane, ...others] = this.lanesOf(id);
    // What was brought in, or has come back, may be from before a series was born here, or from after it was given up.
    if (lane === undefined || lane.isSide || others.length > 0) return lane !== undefined;
    return this.#names.bornTs[id]! <= this.#toTs && this.#names.retiredTs[id]! > this.#fromTs;
  }

  #mayHide(matchers: readonly Matcher[]): boolean {
    const name = matchers.find((matcher) => matcher.name === METRIC_NAME && matcher.op === '=');
    return name === undefined || this.#hides?.names(name.value) === true;
  }

  #isHidden(id: SeriesId): boolean {
    const labels = this.labels(id);
    return this.#hides?.names(labels.metricName) === true && this.#hides.series(labels);
  }
}

function reachOf(neededMs: number): number {
  let reachMs = LEAST_REACH_MS;
  while (reachMs < neededMs) reachMs *= 2;
  return reachMs + MARGIN_MS;
}
