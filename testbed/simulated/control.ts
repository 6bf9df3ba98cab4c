import type { TrafficCounts } from './traffic.ts';

/** What the process is told to do, one JSON object a POST. `cluster` counts from 0. */
export type Command =
  | { readonly do: 'leaderless'; readonly cluster: number; readonly share: number }
  | { readonly do: 'delay'; readonly cluster: number; readonly ms: number }
  | { readonly do: 'kill' | 'fence' | 'revive'; readonly cluster: number; readonly broker: number }
  | { readonly do: 'reset' };

/** The line that the process prints when all listen. */
export interface Ready {
  readonly control: number;
  /** Ports of each cluster's brokers. */
  readonly ports: readonly (readonly number[])[];
}

/** What a GET answers. */
export interface Counts {
  readonly clusters: readonly TrafficCounts[];
}
