import { z } from 'zod';
import { EMPTY_WINDOW, type RecommendationWindow } from './window.ts';

/** What the scaler must remember besides the columns of its row: plain JSON of a few kilobytes at most. */
export interface ScaleMemory {
  /** Recommendations of the last minutes, for out and for in. */
  readonly out: RecommendationWindow;
  readonly in: RecommendationWindow;
  /** Over-utilised: once over the trigger, until below the reset. */
  readonly armed: boolean;
  /** Not asked again before, by action: after a refusal, an expiry, or a look in mode observe. */
  readonly notBeforeOut: number;
  readonly notBeforeIn: number;
  /** What was said last, so that it is said once. */
  readonly noted: string;
  /** Of the act: when its first lease was granted (0: not yet), how many times it was asked for, what it is to come to. */
  readonly leasedAt: number;
  readonly attempt: number;
  readonly target: number;
  /** Of the act: the brokers there were, and the busiest resource's mean over them (-1: not known). */
  readonly members: readonly number[];
  readonly resource: string;
  readonly busyBefore: number;
  /** Bytes that the act has to move, as far as they are known: it may take longer by so much. */
  readonly bytesToMove: number;
  /** Whether as many brokers as `desired` says have been seen: only then may it follow a broker that a person took away. */
  readonly reached: boolean;
  /** Brokers that came by an act of ours, each until it leads partitions or its warm-up is over. */
  readonly warming: readonly (readonly [broker: number, since: number])[];
  /** The broker that was drained and removed last, -1 for none: not counted though it may still be expected for a moment. */
  readonly removed: number;
}

export const EMPTY_MEMORY: ScaleMemory = {
  out: EMPTY_WINDOW,
  in: EMPTY_WINDOW,
  armed: false,
  notBeforeOut: 0,
  notBeforeIn: 0,
  noted: '',
  leasedAt: 0,
  attempt: 0,
  target: 0,
  members: [],
  resource: '',
  busyBefore: -1,
  bytesToMove: 0,
  reached: false,
  warming: [],
  removed: -1,
};

const pair = z.tuple([z.number(), z.number()]);
const windowSchema = z.object({ since: z.number(), slices: z.array(pair).max(100) });
const memorySchema = z
  .object({
    out: windowSchema,
    in: windowSchema,
    armed: z.boolean(),
    notBeforeOut: z.number(),
    notBeforeIn: z.number(),
    noted: z.string(),
    leasedAt: z.number(),
    attempt: z.number(),
    target: z.number(),
    members: z.array(z.number()).max(10_000),
    resource: z.string(),
    busyBefore: z.number(),
    bytesToMove: z.number(),
    reached: z.boolean(),
    warming: z.array(pair).max(1000),
    removed: z.number(),
  })
  .partial();

/**
 * Reads what an earlier process wrote. What cannot be read is as if it had not been remembered: windows begin anew, so
 * that acts come later, not sooner.
 */
export function memoryOf(stored: Readonly<Record<string, unknown>>): ScaleMemory {
  const read = memorySchema.safeParse(stored);
  if (!read.success) return EMPTY_MEMORY;
  const known = Object.entries(read.data).filter(([, value]) => value !== undefined);
  return { ...EMPTY_MEMORY, ...Object.fromEntries(known) };
}
