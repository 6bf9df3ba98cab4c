import { Labels } from '../../core/labels.ts';
import type { Layout, LayoutChange } from '../../core/sample.ts';
import type { PageLayout } from '../../formats/page-layout.ts';
import type { PageChange } from '../../formats/page-parser.ts';

/**
 * The series of a target's rows: those of its page with the target's labels, and those about the scrape. Their labels are
 * made when the store asks for them, which it does once: kept, those of a hundred thousand series would be most of the memory.
 */
export class RowLayout implements Layout {
  readonly madeWhenRead = true;
  readonly page: PageLayout;
  change: LayoutChange | undefined;
  readonly #target: Labels;
  readonly #meta: readonly Labels[];

  constructor(page: PageLayout, target: Labels, meta: readonly Labels[]) {
    this.page = page;
    this.#target = target;
    this.#meta = meta;
  }

  /** Of the row: the page's and those about the scrape. */
  get size(): number {
    return this.page.size + this.#meta.length;
  }

  get series(): readonly Labels[] {
    return [...this.page.series.map((labels) => targetSeries(labels, this.#target)), ...this.#meta];
  }

  /** Tells what the page has of the one before it, which `before` is the row of. */
  follows(before: RowLayout, { columns, born }: PageChange): void {
    const all = new Int32Array(this.size);
    all.set(columns);
    for (let i = 0; i < this.#meta.length; i++) all[columns.length + i] = before.page.size + i;
    this.change = { before, columns: all, series: (column) => targetSeries(born.get(column) ?? Labels.empty, this.#target) };
  }

  /** The store has taken it. */
  taken(): void {
    this.change = undefined;
    this.page.forgetSeries();
  }
}

/**
 * The target's labels win; what the page said under their names is kept as `exported_…`, the shortest of these names first where
 * one makes another longer.
 */
export function targetSeries(labels: Labels, target: Labels): Labels {
  const entries: (readonly [string, string])[] = [];
  const conflicting: (readonly [string, string])[] = [];
  for (const entry of labels) (target.has(entry[0]) ? conflicting : entries).push(entry);
  if (conflicting.length > 1) conflicting.sort(([a], [b]) => a.length - b.length);
  for (const [name, value] of conflicting) {
    let free = name;
    do free = `exported_${free}`;
    while (labels.has(free) || target.has(free) || entries.some(([taken]) => taken === free));
    entries.push([free, value]);
  }
  return Labels.of([...entries, ...target]);
}
