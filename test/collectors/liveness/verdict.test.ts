import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BreakKind } from '../../../src/kafka/observer.ts';
import type { BrokerFacts } from '../../../src/collectors/liveness/broker-facts.ts';
import { DEFAULT_TIMINGS } from '../../../src/collectors/liveness/timings.ts';
import { judge, nextLookAt, type Outage, type SurvivorLook, type Verdict } from '../../../src/collectors/liveness/verdict.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const T0 = 1_700_000_000_000;

/**
 * Survivor 1, asked 5 ms after the break: `1+5` lists the broker and has it lead, `1~5` has it follow in
 * ISRs, `1?5` in none, `1-5` does not list it.
 */
type Look = `${number}${'+' | '~' | '?' | '-'}${number}` | SurvivorLook;

interface Row {
  readonly name: string;
  /** Kinds of the failed reconnects, in order. */
  readonly tried: readonly BreakKind[];
  readonly looks?: readonly Look[];
  /** Milliseconds since the break; 20 by default. */
  readonly after?: number;
  /** Other brokers that can be asked; 2 by default. */
  readonly survivors?: number;
  readonly era?: 'zookeeper';
  /** By the latest metadata. */
  readonly registered?: boolean;
  /** The most leaderships it could hand over in the five minutes before. */
  readonly led?: number;
  readonly origin?: Outage['origin'];
  /** First missed ping, before the break. */
  readonly silentMs?: number;
  /** Silence only: when the latest ping was found missed, from the first one. */
  readonly missedMs?: number;
  /** The connects that failed met nobody, not even a kernel. */
  readonly unheard?: boolean;
  /** Since when, before the break was noticed, this process had not run. */
  readonly unseenMs?: number;
  readonly sofar?: Verdict;
  readonly want: Verdict | undefined;
}

const NOTHING: BrokerFacts = { registered: true, replicas: 4, outOfSync: 0, leads: 0, movableLeads: 0, movableIsr: 0, movableReplicas: 4 };

function look(survivorId: number, afterMs: number, facts: Partial<BrokerFacts> = {}): SurvivorLook {
  return {
    survivorId,
    askedAt: T0 + afterMs,
    answeredAt: T0 + afterMs + 1,
    registered: true,
    facts: { ...NOTHING, ...facts },
    whole: true,
  };
}

const FACTS: Readonly<Record<string, Partial<BrokerFacts>>> = { '+': { leads: 2, movableLeads: 2, movableIsr: 4 }, '~': { movableIsr: 4 } };

function parseLook(text: Look): SurvivorLook {
  if (typeof text !== 'string') return text;
  const [, survivor = '', sign, ms = ''] = /^(\d+)([+~?-])(-?\d+)$/.exec(text) ?? [];
  const parsed = look(Number(survivor), Number(ms), FACTS[sign ?? ''] ?? {});
  return { ...parsed, registered: sign !== '-', whole: false };
}

function outageOf(row: Row): Outage {
  return {
    at: T0,
    origin: row.origin ?? 'break',
    silentSince: row.silentMs === undefined ? (row.origin === 'silence' ? T0 : undefined) : T0 - row.silentMs,
    unseenSince: row.unseenMs === undefined ? undefined : T0 - row.unseenMs,
    lastMissAt: row.missedMs === undefined ? 0 : T0 + row.missedMs,
    attempts: row.tried.map((kind, i) => ({ startedAt: T0, at: T0 + i + 1, kind, detail: kind, unheard: row.unheard === true })),
    looks: (row.looks ?? []).map(parseLook),
    verdict: row.sofar,
  };
}

/** Both survivors saw the same. */
function led(facts: Partial<BrokerFacts>, afterMs = 2): readonly SurvivorLook[] {
  return [1, 2].map((survivor) => look(survivor, afterMs, { movableIsr: facts.movableLeads ?? 0, ...facts }));
}

/**
 * The proof. Each row of the agreed table with its near misses: what is one fact away from it and must be judged
 * otherwise. A change here is a change of what wakes people: give the reason with it.
 */
const TABLE: Readonly<Record<string, readonly Row[]>> = {
  // 1. The kernel says the port is closed, and both survivors still count on the broker.
  crashed: [
    { name: '1.1 refused, both still list it', tried: ['refused'], looks: ['1+2', '2+3'], want: 'crashed' },
    { name: '1.2 reset is the kernel too', tried: ['reset'], looks: ['1+2', '2+3'], want: 'crashed' },
    { name: '1.3 one survivor is all there is', tried: ['refused'], looks: ['1+2'], survivors: 1, want: 'crashed' },
    { name: '1.4 only one of two has answered: wait', tried: ['refused'], looks: ['1+2'], want: undefined },
    { name: '1.5 the second never answers: one is enough then', tried: ['refused'], looks: ['1+2'], after: 500, want: 'crashed' },
    { name: '1.6 the other survivor died meanwhile', tried: ['refused'], looks: ['1+2'], survivors: 0, want: 'crashed' },
    { name: '1.7 a look from before the break proves nothing', tried: ['refused'], looks: ['1+-1', '2+-1'], want: undefined },
    { name: '1.8 listed, but nothing heard from the kernel yet', tried: [], looks: ['1+2', '2+3'], want: undefined },
    { name: '1.9 an accepted and closed connect is no refusal', tried: ['closed'], looks: ['1+2', '2+3'], want: undefined },
    { name: '1.10 refused once is enough, whatever came before', tried: ['closed', 'refused'], looks: ['1+2', '2+3'], want: 'crashed' },
    { name: '1.11 it leads nothing: a stop would be as quick', tried: ['refused'], looks: ['1~2', '2~3'], want: undefined },
    { name: '1.12 nor at one of them', tried: ['refused'], looks: ['1+2', '2~3'], want: undefined },
    {
      name: '1.13 still listed in the last of the quick looks',
      tried: ['refused'],
      looks: ['1~250', '2~250'],
      after: 251,
      want: 'crashed',
    },
    { name: '1.14 that look is not answered', tried: ['refused'], looks: ['1~100', '2~100'], after: 750, want: 'crashed' },
    {
      name: '1.15 listed, but in no ISR: a stop the survivors have not heard of',
      tried: ['refused'],
      looks: ['1?2', '2?3'],
      want: undefined,
    },
    { name: '1.16 at one of them only', tried: ['refused'], looks: ['1+2', '2?3'], want: undefined },
    {
      name: '1.17 still listed after a second: it did not stop',
      tried: ['refused'],
      looks: ['1?1000', '2?1000'],
      after: 1001,
      want: 'crashed',
    },
    { name: '1.18 nothing known of its topics', tried: ['refused'], looks: [{ ...look(1, 2), facts: undefined }, '2+3'], want: undefined },
    { name: '1.19 more than two can be asked, two are', tried: ['refused'], looks: ['1+2', '2+3'], survivors: 9, want: 'crashed' },
    {
      name: '1.20 a late timeout does not undo it',
      tried: ['refused', 'timeout'],
      looks: ['1+2', '2+3'],
      sofar: 'crashed',
      want: 'crashed',
    },
    { name: '1.21 nor a refused login', tried: ['refused', 'auth'], looks: ['1+2', '2+3'], sofar: 'crashed', want: 'crashed' },
  ],
  // 2. Out of brokers[]: KRaft fences a granted shutdown before its sockets close.
  stopped: [
    { name: '2.1 refused and out at both', tried: ['refused'], looks: ['1-2', '2-3'], want: 'stopped' },
    { name: '2.2 out is enough, before any reconnect has failed', tried: [], looks: ['1-2', '2-3'], want: 'stopped' },
    { name: '2.3 a pod that stops takes its name along', tried: ['dns', 'dns', 'dns'], looks: ['1-2', '2-3'], want: 'stopped' },
    { name: '2.4 they disagree: look again', tried: ['refused'], looks: ['1+2', '2-3'], want: undefined },
    { name: '2.5 the later look counts', tried: ['refused'], looks: ['1+2', '2-3', '1-100', '2-100'], after: 101, want: 'stopped' },
    {
      name: '2.6 a slow controller: alive first, out at 100 ms',
      tried: ['refused'],
      looks: ['1+2', '2+3', '1-100', '2-100'],
      after: 102,
      sofar: 'crashed',
      want: 'stopped',
    },
    {
      name: '2.7 still disagreeing at the end: one lags behind',
      tried: ['refused'],
      looks: ['1+2', '2-3', '1+250', '2-250'],
      after: 500,
      want: 'stopped',
    },
    { name: '2.8 out at one, the other silent: wait', tried: ['refused'], looks: ['1-2'], want: undefined },
    {
      name: '2.8a fenced while we did not run for ten seconds',
      tried: ['refused'],
      looks: ['1-5', '2-5'],
      unseenMs: 10_000,
      want: 'unknown',
    },
    { name: '2.9 fenced within 6 s of the break', tried: ['refused'], looks: ['1-6000', '2-6000'], after: 6001, want: 'stopped' },
    {
      name: '2.10 first seen later: the session did it',
      tried: ['refused', 'refused', 'refused'],
      looks: ['1-8001', '2-8001'],
      after: 8002,
      want: 'unknown',
    },
    {
      name: '2.11 listed after the last round, out later: the session',
      tried: ['refused'],
      looks: ['1+250', '2+250', '1-5900', '2-5900'],
      after: 5902,
      sofar: 'crashed',
      want: 'crashed',
    },
    {
      name: '2.12 likewise while unreachable',
      tried: ['timeout', 'timeout', 'timeout'],
      looks: ['1+250', '2+250', '1-5900', '2-5900'],
      after: 5902,
      sofar: 'unreachable',
      want: 'unreachable',
    },
    {
      name: '2.13 stays proven',
      tried: ['refused', 'timeout', 'auth'],
      looks: ['1-2', '2-2', '1+9000'],
      sofar: 'stopped',
      want: 'stopped',
    },
    {
      name: '2.14 silent for long, fenced by its session, then closed',
      tried: ['refused', 'refused', 'refused'],
      looks: ['1-2', '2-2'],
      silentMs: 12_000,
      sofar: 'not_answering',
      want: 'not_answering',
    },
    { name: '2.15 silent for a moment only', tried: ['refused'], looks: ['1-2', '2-2'], silentMs: 2000, sofar: 'suspect', want: 'stopped' },
  ],
  // 3. The ZooKeeper era: a registration outlives the stop, leaderships and ISRs do not.
  zookeeper: [
    {
      name: '3.1 listed and leads what could be moved',
      tried: ['refused'],
      era: 'zookeeper',
      looks: [look(1, 2, { movableLeads: 2, movableIsr: 3 }), look(2, 2, { movableLeads: 2, movableIsr: 3 })],
      want: 'crashed',
    },
    {
      name: '3.2 listed and in an ISR with others',
      tried: ['refused'],
      era: 'zookeeper',
      looks: [look(1, 250, { movableIsr: 1 }), look(2, 250, { movableIsr: 1 })],
      after: 251,
      want: 'crashed',
    },
    { name: '3.3 listed, everything handed over', tried: ['refused'], era: 'zookeeper', looks: [look(1, 2), look(2, 2)], want: 'stopped' },
    {
      name: '3.4 listed, leads only what nobody else has',
      tried: ['refused'],
      era: 'zookeeper',
      looks: [look(1, 2, { leads: 1 }), look(2, 2, { leads: 1 })],
      want: 'stopped',
    },
    {
      name: '3.5 no movable replica to tell by',
      tried: ['refused', 'refused', 'refused'],
      era: 'zookeeper',
      looks: [look(1, 2, { movableReplicas: 0 }), look(2, 2, { movableReplicas: 0 })],
      after: 500,
      want: 'unknown',
    },
    { name: '3.6 unregistered', tried: ['refused'], era: 'zookeeper', looks: ['1-2', '2-2'], want: 'stopped' },
  ],
  // 4. Killed in the middle of its stop.
  cut_short: (
    [
      { name: '4.1 half handed over, the rest left', led: 10, looks: led({ leads: 5, movableLeads: 5, outOfSync: 5 }), want: 'cut_short' },
      { name: '4.2 one handed over', led: 10, looks: led({ leads: 9, movableLeads: 9, outOfSync: 1 }), want: 'cut_short' },
      { name: '4.3 elsewhere, but in sync: preferred leaders', led: 10, looks: led({ leads: 5, movableLeads: 5 }), want: 'crashed' },
      { name: '4.4 as many as ever, some out of sync', led: 5, looks: led({ leads: 5, movableLeads: 5, outOfSync: 2 }), want: 'crashed' },
      { name: '4.5 nothing known about before', looks: led({ leads: 5, movableLeads: 5, outOfSync: 5 }), want: 'crashed' },
      {
        name: '4.6 only what has one copy is left',
        led: 10,
        looks: led({ leads: 1, outOfSync: 10 }, 1000),
        after: 1001,
        want: 'cut_short',
      },
      { name: '4.7 none left: being listed decides', led: 10, looks: led({ outOfSync: 10 }, 1000), after: 1001, want: 'crashed' },
      { name: '4.8 fenced already: it stopped', led: 10, looks: ['1-2', '2-2'], want: 'stopped' },
      {
        name: '4.9 a sample first, all leaderships at 100 ms',
        led: 10,
        looks: ['1+2', '2+2', ...led({ leads: 2, movableLeads: 2, outOfSync: 8 }, 100)],
        after: 101,
        sofar: 'crashed',
        want: 'cut_short',
      },
    ] satisfies Omit<Row, 'tried'>[]
  ).map((row): Row => ({ tried: ['refused'], ...row })),
  // 5. No word from the kernel of the broker's host.
  unreachable: [
    ...(['timeout', 'no_route', 'dns', 'closed', 'protocol'] as const).map((kind, i): Row => ({
      name: `5.${i + 1} three times ${kind}`,
      tried: [kind, kind, kind],
      looks: ['1+2', '2+2'],
      after: 160,
      want: 'unreachable',
    })),
    { name: '5.6 two tries are not all', tried: ['no_route', 'no_route'], looks: ['1+2', '2+2'], after: 60, want: undefined },
    { name: '5.7 without survivors too', tried: ['timeout', 'timeout', 'timeout'], survivors: 0, after: 3000, want: 'unreachable' },
    {
      name: '5.8 refused at last, while still listed',
      tried: ['no_route', 'no_route', 'no_route', 'refused'],
      looks: ['1+2000', '2+2000'],
      after: 2002,
      sofar: 'unreachable',
      want: 'crashed',
    },
  ],
  // 6. It answers, but not to us.
  auth: [
    { name: '6.1 SASL refused', tried: ['auth'], looks: ['1+2', '2+2'], want: 'auth' },
    { name: '6.2 TLS refused', tried: ['tls'], want: 'auth' },
    { name: '6.3 a handshake cut by the death itself', tried: ['tls', 'refused'], looks: ['1+2', '2+2'], sofar: 'auth', want: 'crashed' },
    { name: '6.4 found so at the start', tried: ['auth'], origin: 'found_down', want: 'auth' },
  ],
  // 7. Connected, and silent.
  not_answering: [
    { name: '7.1 two pings missed', tried: [], origin: 'silence', missedMs: 2000, want: 'suspect' },
    { name: '7.2 just under ten seconds', tried: [], origin: 'silence', missedMs: 9999, sofar: 'suspect', want: 'suspect' },
    { name: '7.3 ten seconds', tried: [], origin: 'silence', missedMs: 10_000, sofar: 'suspect', want: 'not_answering' },
    {
      name: '7.4 time alone does not do it: the latest ping counts',
      tried: [],
      origin: 'silence',
      missedMs: 2000,
      after: 60_000,
      sofar: 'suspect',
      want: 'suspect',
    },
    {
      name: '7.5 a fresh connect that hangs too changes nothing',
      tried: ['timeout'],
      origin: 'silence',
      missedMs: 3000,
      sofar: 'suspect',
      want: 'suspect',
    },
    {
      name: '7.5a a fresh connect to which not even the kernel says a word: the way is gone',
      tried: ['timeout'],
      unheard: true,
      origin: 'silence',
      missedMs: 10_000,
      sofar: 'suspect',
      want: 'unreachable',
    },
    {
      name: '7.6 fenced meanwhile: still only silent',
      tried: [],
      origin: 'silence',
      looks: ['1-9000'],
      missedMs: 12_000,
      sofar: 'suspect',
      want: 'not_answering',
    },
    {
      name: '7.7 silent, then the connection broke, connects hang',
      tried: ['timeout', 'timeout', 'timeout'],
      silentMs: 12_000,
      looks: ['1+2', '2+2'],
      sofar: 'suspect',
      want: 'not_answering',
    },
    {
      name: '7.8 silent, then killed while still listed',
      tried: ['refused'],
      silentMs: 5000,
      looks: ['1+2', '2+2'],
      sofar: 'suspect',
      want: 'crashed',
    },
  ],
  // 8. Nothing proves anything.
  unknown: [
    { name: '8.1 nobody is left to ask', tried: ['refused', 'refused', 'refused'], survivors: 0, want: 'unknown' },
    { name: '8.2 nobody left, but connects still to come', tried: ['refused'], survivors: 0, want: undefined },
    { name: '8.3 survivors do not answer', tried: ['refused', 'refused', 'refused'], after: 500, want: 'unknown' },
    { name: '8.4 survivors have not answered yet', tried: ['refused', 'refused', 'refused'], after: 499, want: undefined },
    {
      name: '8.5 one answers at last',
      tried: ['refused', 'refused', 'refused'],
      looks: ['1+1000'],
      after: 1001,
      sofar: 'unknown',
      want: 'crashed',
    },
    {
      name: '8.6 too late to prove anything',
      tried: ['refused', 'refused', 'refused'],
      looks: ['1+8001'],
      after: 8002,
      sofar: 'unknown',
      want: 'unknown',
    },
    { name: '8.7 down already when Belfry started', tried: ['refused'], origin: 'found_down', looks: ['1+2', '2+2'], want: 'unknown' },
    { name: '8.8 found without a way to it, while listed', tried: ['dns'], origin: 'found_down', registered: true, want: 'unreachable' },
    {
      name: '8.9 found refusing, while listed: it may be starting',
      tried: ['refused'],
      origin: 'found_down',
      registered: true,
      want: 'unknown',
    },
    { name: '8.10 found without a way to it, not listed', tried: ['dns'], origin: 'found_down', registered: false, want: 'unknown' },
    {
      name: '8.11 the verdict of the same outage from before a restart',
      tried: ['refused'],
      origin: 'found_down',
      sofar: 'stopped',
      want: 'stopped',
    },
    { name: '8.12 a suspicion does not outlive a restart', tried: ['timeout'], origin: 'found_down', sofar: 'suspect', want: 'unknown' },
  ],
};

describe('the verdict table', () => {
  describe.each(Object.entries(TABLE))('%s', (_, rows) => {
    it.each(rows)('$name → $want', (row) => {
      const around = {
        now: T0 + (row.after ?? 20),
        kraft: row.era === undefined,
        registered: row.registered,
        survivors: row.survivors ?? 2,
        mostMovableLeads: row.led,
      };
      expect(judge(outageOf(row), around, DEFAULT_TIMINGS).verdict).toBe(row.want);
    });
  });

  it('keeps the look that proved the verdict', () => {
    const outage = outageOf({ name: '', tried: ['refused'], looks: ['1+2', '2+3'], want: 'crashed' });
    const { look: proof } = judge(
      outage,
      { now: T0 + 5, kraft: true, registered: true, survivors: 2, mostMovableLeads: undefined },
      DEFAULT_TIMINGS,
    );
    expect(proof).toEqual(parseLook('2+3'));
  });
});

describe('whatever the facts', () => {
  const kinds = ['refused', 'reset', 'closed', 'timeout', 'dns', 'no_route', 'tls', 'auth', 'protocol'] as const;
  const anyLook = fc
    .record({
      survivor: fc.integer({ min: 1, max: 3 }),
      sign: fc.constantFrom('+', '~', '?', '-'),
      ms: fc.integer({ min: -50, max: 9000 }),
    })
    .map(({ survivor, sign, ms }) => `${survivor}${sign}${ms}` as Look);
  const anyRow = fc.record({
    tried: fc.array(fc.constantFrom(...kinds), { maxLength: 5 }),
    looks: fc.array(anyLook, { maxLength: 8 }),
    after: fc.integer({ min: 0, max: 20_000 }),
    survivors: fc.integer({ min: 0, max: 4 }),
    led: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
    origin: fc.constantFrom('break', 'silence', 'found_down'),
    silentMs: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
    registered: fc.option(fc.boolean(), { nil: undefined }),
  });
  type AnyRow = typeof anyRow extends fc.Arbitrary<infer T> ? T : never;
  const verdictOf = (row: AnyRow): Verdict | undefined => {
    const { silentMs, led: most, registered, ...rest } = row;
    const outage = outageOf({ name: '', want: undefined, ...rest, ...(silentMs === undefined ? {} : { silentMs }) });
    const around = { now: T0 + row.after, kraft: true, registered, survivors: row.survivors, mostMovableLeads: most };
    return judge(outage, around, DEFAULT_TIMINGS).verdict;
  };

  it('a crash needs the word of the kernel, and a survivor that listed it after the break', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const verdict = verdictOf(row);
        if (verdict !== 'crashed' && verdict !== 'cut_short') return;
        expect(row.tried.some((kind) => kind === 'refused' || kind === 'reset')).toBe(true);
        expect(row.looks.map(parseLook).some(({ askedAt, registered }) => registered && askedAt >= T0)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('a stop needs a survivor that dropped it, in time', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        if (verdictOf(row) !== 'stopped') return;
        const dropped = row.looks.map(parseLook).filter(({ askedAt, registered }) => !registered && askedAt >= T0 && askedAt <= T0 + 6000);
        expect(dropped.length).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('every outage is judged within the proof window', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const tried = [...row.tried, 'refused', 'refused', 'refused'] as const;
        expect(verdictOf({ ...row, tried: [...tried], after: 6000 })).toBeDefined();
      }),
      { numRuns: 2000 },
    );
  });
});

describe('looks at survivors', () => {
  const rounds = (row: Partial<Row>): number[] => {
    const outage = outageOf({ name: '', tried: [], want: undefined, ...row });
    const at: number[] = [];
    for (let due = nextLookAt(outage, 0, DEFAULT_TIMINGS); due !== undefined; due = nextLookAt(outage, at.length, DEFAULT_TIMINGS))
      at.push(due - T0);
    return at;
  };

  it.each<{ name: string; row: Partial<Row>; want: readonly number[] }>([
    { name: 'three rounds once it is proven', row: { sofar: 'crashed' }, want: [0, 100, 250] },
    { name: 'more, ever more rarely, while it is not', row: { sofar: 'unknown' }, want: [0, 100, 250, 500, 1000, 2000, 4000] },
    { name: 'one at a silent broker', row: { origin: 'silence' }, want: [0] },
    { name: 'none at one that was down before', row: { origin: 'found_down' }, want: [] },
  ])('are made $name', ({ row, want }) => {
    expect(rounds(row)).toEqual(want);
  });
});

describe('the agreed numbers', () => {
  it('are the defaults', () => {
    expect(DEFAULT_TIMINGS).toMatchObject({
      pingIntervalMs: 1000,
      suspectAfterPings: 2,
      notAnsweringAfterMs: 10_000,
      reconnectAtMs: [0, 50, 150],
      lookAtMs: [0, 100, 250],
      proofWindowMs: 6000,
      leadershipWindowMs: 300_000,
      stopGraceMs: 300_000,
      flappingBreaks: 3,
      flappingWindowMs: 900_000,
      isolationWindowMs: 10_000,
      isolationHoldMs: 15_000,
      crashedHoldMs: 600_000,
      retireAfterMs: 1_800_000,
      stallMs: 250,
      writeIntervalMs: 5000,
      backoffMinMs: 100,
      backoffMaxMs: 5000,
      authBackoffMs: 60_000,
      handshakesPerSecond: 20,
    });
  });
});
