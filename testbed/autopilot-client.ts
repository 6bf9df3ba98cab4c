import type { BelfryProcess } from './belfry-process.ts';

const PREFIX = '/api/belfry/v1/autopilot';

/** What is read of an intent; more is there. */
export interface SeenIntent {
  readonly id: string;
  readonly cluster: string;
  readonly action: 'repair' | 'replace' | 'scale_out' | 'scale_in';
  readonly broker?: number;
  readonly state: string;
  readonly reason: string;
  readonly guards: readonly SeenGuard[];
  readonly createdAt: number;
  readonly changedAt: number;
}

export interface SeenGuard {
  readonly guard: string;
  /** True where it holds the act back. */
  readonly holds: boolean;
  readonly sentence: string;
  /** A person's approval overrides it. */
  readonly approvable?: boolean;
}

export interface SeenLine {
  readonly seq: number;
  readonly at: number;
  /** -1 where it is about no single broker. */
  readonly brokerId: number;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly intentId: string;
  readonly text: string;
  readonly detail: { readonly guards?: readonly SeenGuard[] };
}

export interface SeenAutopilot {
  readonly halted: string | null;
  readonly clusters: readonly { readonly name: string; readonly brokers: readonly { readonly state: string }[] }[];
}

/** A person at the auto-pilot's API, with the token of a running Belfry. Every call throws on an answer that is none of 2xx. */
export class AutopilotClient {
  readonly #belfry: () => BelfryProcess;

  constructor(belfry: () => BelfryProcess) {
    this.#belfry = belfry;
  }

  state(): Promise<SeenAutopilot> {
    return this.#call<SeenAutopilot>('GET', '');
  }

  async intents(): Promise<readonly SeenIntent[]> {
    return (await this.#call<{ intents: readonly SeenIntent[] }>('GET', '/intents')).intents;
  }

  /** Lines after the one of this `seq`, oldest first; at most the last thousand. */
  async journal(after = 0): Promise<readonly SeenLine[]> {
    const { lines } = await this.#call<{ lines: readonly SeenLine[] }>('GET', '/journal?limit=1000');
    return lines.filter(({ seq }) => seq > after).toReversed();
  }

  /** Such as `post('/halt', {by, reason})`. */
  async post(path: string, body: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#call('POST', path, body);
  }

  async #call<T>(method: 'GET' | 'POST', path: string, body?: Readonly<Record<string, unknown>>): Promise<T> {
    const { url, token } = this.#belfry();
    const response = await fetch(url + PREFIX + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${PREFIX}${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}
