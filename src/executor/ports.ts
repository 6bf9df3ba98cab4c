/** What moves partitions in a cluster: the planner over the Kafka protocol, or Cruise Control. */
export interface Rebalancer {
  /**
   * Does the request and resolves when every move is complete. Resumable: asked again after a crash it goes on with
   * what is not done yet. Rejects when it cannot be done or the signal is aborted; nothing new is started after that.
   * `confirm` is asked before anything is begun, and rejects where it may not be begun any more.
   */
  rebalance(
    request: RebalanceRequest,
    report: (progress: RebalanceProgress) => void,
    signal: AbortSignal,
    confirm?: () => Promise<void>,
  ): Promise<void>;
}

export type RebalanceRequest =
  /** Spread replicas and leaders over all brokers there are, new ones included. */
  | { readonly kind: 'spread' }
  /** Take everything off these brokers. */
  | { readonly kind: 'drain'; readonly brokers: readonly number[] }
  /** Give the replicas of one broker, dead or not, to another. */
  | { readonly kind: 'replace'; readonly from: number; readonly to: number }
  /** Make the preferred replicas leaders again. */
  | { readonly kind: 'elect_preferred' };

export interface RebalanceProgress {
  readonly doneMoves: number;
  readonly totalMoves: number;
  /** A sentence. */
  readonly text: string;
}
