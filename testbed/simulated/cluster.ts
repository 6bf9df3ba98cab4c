import { APIS } from '../../src/kafka/apis.ts';
import { WireReader } from '../../src/kafka/wire-reader.ts';
import { ANSWERS, apiVersions, asksForAllTopics, type ClusterState } from './answers.ts';
import { SimulatedBroker } from './broker.ts';
import { SimulatedPartitions } from './partitions.ts';
import { groupsOf, topicsOf, type ClusterShape } from './shape.ts';
import { Traffic } from './traffic.ts';

const API_VERSIONS_HEADER_BYTES = 8;
const FLEXIBLE_HEADER_BYTES = 9;

interface Request {
  readonly apiKey: number;
  readonly version: number;
  readonly frame: Buffer;
  /** Of the frame, behind its header. */
  readonly body: WireReader;
}

/** One simulated cluster: its brokers' listeners and what they answer. */
export class SimulatedCluster {
  readonly shape: ClusterShape;
  readonly traffic = new Traffic();
  readonly #brokers: readonly SimulatedBroker[];
  readonly #beganAt = performance.now();
  readonly #dead = new Set<number>();
  readonly #fenced = new Set<number>();
  readonly #fixed: Omit<ClusterState, 'registered' | 'seconds'>;
  /** The whole Metadata by version, until something changes. */
  readonly #wholeMetadata = new Map<number, Buffer>();
  #leaderlessShare = 0;
  #answerDelayMs = 0;

  constructor(shape: ClusterShape, clusterId: string) {
    const topics = topicsOf(shape);
    this.shape = shape;
    this.#fixed = {
      shape,
      clusterId,
      topics,
      byName: new Map(topics.map((topic) => [topic.name, topic])),
      groups: groupsOf(shape, topics),
      partitions: new SimulatedPartitions(shape, topics),
    };
    this.#brokers = Array.from({ length: shape.brokers }, (_, i) => this.#broker(i + 1));
  }

  get ports(): readonly number[] {
    return this.#brokers.map(({ port }) => port);
  }

  async start(): Promise<void> {
    await Promise.all(this.#brokers.map((broker) => broker.listen()));
  }

  /** A share of all partitions has no leader from now on; 0 gives them back. */
  leaderless(share: number): void {
    this.#leaderlessShare = share;
    this.#elect();
  }

  /** Every answer but that to ApiVersions comes so much later. */
  delayAnswers(ms: number): void {
    this.#answerDelayMs = ms;
  }

  /** Breaks a broker's connections and closes its port; it stays registered until it is fenced. */
  async kill(brokerId: number): Promise<void> {
    if (this.#dead.has(brokerId)) return;
    this.#dead.add(brokerId);
    await this.#brokers[brokerId - 1]?.kill();
  }

  /** As the controller does when a dead broker's session has ended: out of `brokers[]`, its leaderships moved or gone. */
  fence(brokerId: number): void {
    this.#fenced.add(brokerId);
    this.#elect();
  }

  /** Up again, registered, in all its ISRs. */
  async revive(brokerId: number): Promise<void> {
    if (this.#dead.delete(brokerId)) await this.#brokers[brokerId - 1]?.listen();
    if (this.#fenced.delete(brokerId)) this.#elect();
  }

  #elect(): void {
    this.#fixed.partitions.set(this.#fenced, this.#leaderlessShare);
    this.#wholeMetadata.clear();
  }

  get #state(): ClusterState {
    return {
      ...this.#fixed,
      registered: this.#brokers.filter(({ id }) => !this.#fenced.has(id)),
      seconds: (performance.now() - this.#beganAt) / 1000,
    };
  }

  #broker(id: number): SimulatedBroker {
    return new SimulatedBroker(
      id,
      (frame, reply) => this.#receive(id, frame, reply),
      (open) => this.traffic.accepted(open),
    );
  }

  #receive(brokerId: number, frame: Buffer, reply: (parts: readonly Buffer[]) => void): void {
    const body = new WireReader(frame, 'request');
    const apiKey = body.int16();
    const version = body.int16();
    const correlationId = body.int32();
    body.nullableString(); // client_id
    body.skipTags();
    this.traffic.request(apiKey, frame.length + 4);
    const send = (): void => {
      const answer = this.#answer(brokerId, { apiKey, version, frame, body });
      const parts = [headOf(apiKey, correlationId, answer.length), answer];
      this.traffic.answered(parts.reduce((sum, part) => sum + part.length, 0));
      reply(parts);
    };
    if (this.#answerDelayMs === 0 || apiKey === APIS.apiVersions.key) send();
    else setTimeout(send, this.#answerDelayMs);
  }

  #answer(brokerId: number, { apiKey, version, frame, body }: Request): Buffer {
    if (apiKey === APIS.apiVersions.key) return apiVersions().written();
    const answer = ANSWERS.get(apiKey);
    if (answer === undefined) throw new Error(`simulated: nothing is known of API ${apiKey}`);
    if (apiKey !== APIS.metadata.key || !asksForAllTopics(frame, body.position))
      return answer(this.#state, brokerId, version, body).written();
    this.traffic.fullMetadata();
    let whole = this.#wholeMetadata.get(version);
    if (whole === undefined) {
      whole = answer(this.#state, brokerId, version, body).written();
      this.#wholeMetadata.set(version, whole);
    }
    return whole;
  }
}

/** Length and correlation id; all answers but that to ApiVersions have tagged fields in their header. */
function headOf(apiKey: number, correlationId: number, bodyBytes: number): Buffer {
  const headBytes = apiKey === APIS.apiVersions.key ? API_VERSIONS_HEADER_BYTES : FLEXIBLE_HEADER_BYTES;
  const head = Buffer.alloc(headBytes);
  head.writeInt32BE(headBytes - 4 + bodyBytes, 0);
  head.writeInt32BE(correlationId, 4);
  return head;
}
