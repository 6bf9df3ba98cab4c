import type { Exec } from './exec.ts';
import { LabelPiece, type Piece } from './look-ahead.ts';
import { InternSpace, type Space, type Vec, type VectorOp } from './space.ts';

/** Bytes of a vector's entry: its id and its value. */
const ENTRY_BYTES = 12;

/**
 * An operator as a piece of the evaluation: it can be worked out before whoever needs it asks, so that others have a turn
 * between two operators. What it takes of memory is counted.
 */
export class StagedOp implements VectorOp, Piece {
  readonly space: Space;
  readonly #op: VectorOp;
  readonly #exec: Exec;
  #done: Vec | undefined;
  #doneTs = 0;
  #counted = 0;

  constructor(exec: Exec, op: VectorOp) {
    this.#op = op;
    this.#exec = exec;
    this.space = op.space;
    if (op.space instanceof InternSpace) op.space.budget ??= exec.budget;
    for (const work of op.labelWork ?? []) exec.pieces.push(new LabelPiece(exec.budget, work));
    exec.pieces.push(this);
  }

  prepare(ts: number, enough: () => boolean): boolean {
    if (this.#done !== undefined && this.#doneTs === ts) return true;
    this.#done = undefined;
    const vec = this.#op.work === undefined ? this.#op.eval(ts) : this.#op.work(ts, enough);
    if (vec === undefined) return false;
    this.#count(vec);
    this.#done = vec;
    this.#doneTs = ts;
    return !enough();
  }

  /** What was prepared for the step; evaluations in one piece prepare nothing. */
  eval(ts: number): Vec {
    if (this.#done !== undefined && this.#doneTs === ts) return this.#done;
    const vec = this.#op.eval(ts);
    this.#count(vec);
    return vec;
  }

  #count(vec: Vec): void {
    const grown = vec.ids.length - this.#counted;
    if (grown <= 0) return;
    this.#counted = vec.ids.length;
    this.#exec.budget.room(grown * ENTRY_BYTES);
  }
}
