import type { Silence } from './cluster-judgement.ts';

/** A cluster's liveness, as whoever tells our own isolation from theirs sees it. */
export interface IsolationMember {
  /** What `observe` answers has changed. */
  isolationChanged(): void;
  /** Nothing could be seen from here: what fell silent since then is judged anew, as at a start. */
  judgeAnew(since: number): void;
}

/** Where liveness tells how each cluster stands, to learn whether a silence may be our own. */
export interface IsolationPort {
  /** Takes part under the cluster's configured name. Returns what ends that. */
  join(cluster: string, member: IsolationMember): () => void;
  /** Takes what is known of the cluster's silence now; answers whether verdicts about its silent brokers are held. */
  observe(cluster: string, silence: Silence): boolean;
}
