import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { Meter } from '../../core/meter.ts';
import type { SampleWriter, Wake } from '../../core/sample.ts';
import type { BrokerAddress, Connector } from '../../kafka/observer.ts';
import type { ExpectedBrokersStore } from './expected-brokers.ts';
import type { HandshakePacer } from './handshake-pacer.ts';
import type { IsolationPort } from './isolation-port.ts';
import type { LivenessTimings } from './timings.ts';

/** What liveness of one cluster is made from. */
export interface LivenessOptions {
  /** The configured name. */
  readonly cluster: string;
  readonly bootstrap: readonly BrokerAddress[];
  /** Addresses that replace advertised ones, by broker id. */
  readonly addresses?: ReadonlyMap<number, BrokerAddress>;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly writer: SampleWriter;
  /** Evaluates rules now; the samples are written already. */
  readonly wake: (wake: Wake) => void;
  readonly store: ExpectedBrokersStore;
  /** Tells our own isolation from theirs by all clusters together; without it each cluster is judged for itself. */
  readonly isolation?: IsolationPort;
  readonly timings?: Partial<LivenessTimings>;
  /** Where new connections wait for their turn, shared by all that connect to the cluster; without one, of its own. */
  readonly line?: HandshakePacer;
  /** 0 to 1; Math.random by default. */
  readonly random?: () => number;
  /** A broker is no longer expected: it retired, or someone forgot it. */
  readonly onForgotten?: (brokerId: number) => void;
}
