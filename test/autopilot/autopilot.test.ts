import { describe, expect, it } from '@jest/globals';
import { MINUTE, Rig } from './pilot-rig.ts';

describe('one crash, mended', () => {
  it('waits for the supervisor, asks for a repair, and believes only what it sees itself', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    expect(rig.stateOf(2)).toBe('unhealthy');
    await rig.clock.advance(119_000);
    expect(rig.intents()).toEqual([]);
    await rig.openIntent(10_000);
    const { id, fencingToken } = await rig.lease();
    expect(rig.stateOf(2)).toBe('repairing');
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'succeeded', text: 'restarted' });
    expect(rig.stateOf(2)).toBe('verifying');
    await rig.clock.advance(MINUTE);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.comesBack(2);
    await rig.clock.advance(5000);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect(rig.stateOf(2)).toBe('healthy');
    expect(rig.intents()).toEqual(['repair 1 succeeded']);
    expect(rig.edges()).toEqual([
      'healthy→suspect',
      'suspect→unhealthy',
      'unhealthy→repairing',
      'repairing→verifying',
      'verifying→healthy',
    ]);
    expect(rig.outcomes()).toEqual(['repair needed']);
    expect(rig.notes.at(-1)?.text).toContain('broker 2 is mended and verified after');
    expect(rig.errors).toEqual([]);
    rig.pilot.stop();
  });
});

describe('what ends an unhealthy spell without an act', () => {
  it('healing by itself: the intent is cancelled and the report is told', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect(rig.stateOf(2)).toBe('healthy');
    expect(rig.intents()).toEqual(['repair 1 cancelled']);
    expect(rig.outcomes()).toEqual(['repair healed']);
  });

  it('healing before the first act is due leaves no intent', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.clock.advance(30_000);
    rig.cluster.inSync(2);
    rig.resolves(2);
    await rig.clock.advance(10 * MINUTE);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', []]);
  });

  it.each(['no_data', 'rule_removed', 'recovered'] as const)('an alert that ends for the reason %s disarms', async (reason) => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    rig.resolves(2, reason);
    await rig.clock.advance(5000);
    expect(rig.stateOf(2)).toBe('suspect');
    expect(rig.intents()).toEqual(['repair 1 cancelled']);
  });

  it('a stop that turns out to have been orderly: the would-be act was wrong', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    rig.cluster.set(2, { verdict: 'stopped', inStopGrace: true });
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.outcomes()]).toEqual(['suspect', ['repair wrong']]);
  });
});

describe('what never leads to an act', () => {
  it.each([
    ['a refused login', { verdict: 'auth', registered: false }],
    ['an unreachable broker that the cluster counts on', { verdict: 'unreachable', registered: true }],
    ['a hung broker that the cluster counts on', { verdict: 'not_answering', registered: true }],
    ['a suspicion', { verdict: 'suspect', registered: true }],
    ['an orderly stop within its grace', { verdict: 'stopped', inStopGrace: true }],
    ['a broker of which nothing was heard yet', { up: undefined, verdict: undefined }],
  ])('%s', async (_, change) => {
    const rig = await new Rig().started();
    rig.cluster.kill(2);
    rig.cluster.set(2, change);
    rig.fires(2);
    await rig.clock.advance(60 * MINUTE);
    expect(rig.intents()).toEqual([]);
    expect(rig.edges().filter((edge) => edge.includes('unhealthy'))).toEqual([]);
  });

  it('our own evidence without a rule', async () => {
    const rig = await new Rig().started();
    rig.cluster.kill(2);
    await rig.clock.advance(60 * MINUTE);
    expect([rig.intents(), rig.edges()]).toEqual([[], []]);
  });

  it('a blind picture: nothing moves, and no time runs out', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    await rig.lease();
    await rig.clock.advance(2 * MINUTE);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.blind = 'no answer';
    await rig.clock.advance(300 * MINUTE);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.blind = undefined;
    await rig.clock.advance(9 * MINUTE);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });

  it.each([
    ['another cluster under this name', (rig: Rig) => void (rig.cluster.clusterIdChanged = true)],
    ['a halt', (rig: Rig) => rig.pilot.control.halt('kim', 'moving house')],
    ['a disk that takes no writes', (rig: Rig) => rig.store.breakDisk()],
    ['a mode that is off', (rig: Rig) => void rig],
  ])('%s', async (what, set) => {
    const rig = await new Rig(what.includes('mode') ? { modes: { repair: 'off' } } : {}).started();
    set(rig);
    rig.crash(2);
    await rig.clock.advance(120 * MINUTE);
    expect(rig.intents()).toEqual([]);
  });

  it('the grace after a start', async () => {
    const rig = new Rig();
    rig.pilot.start();
    rig.crash(2);
    await rig.clock.advance(4 * MINUTE);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['unhealthy', []]);
    await rig.openIntent(2 * MINUTE);
  });
});

describe('two brokers in trouble', () => {
  it('a person is asked for both, what nobody leased is cancelled, nothing is done', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    rig.crash(3);
    await rig.clock.advance(120 * MINUTE);
    expect([rig.stateOf(2), rig.stateOf(3)]).toEqual(['needs_human', 'needs_human']);
    expect(rig.intents()).toEqual(['repair 1 cancelled']);
    expect(rig.notes.filter(({ loud }) => loud).map(({ broker }) => broker)).toEqual([2]);
  });

  it.each([
    { modes: { repair: 'off', replace: 'off' }, told: 0 },
    { modes: { repair: 'off', replace: 'approve' }, told: 1 },
    { modes: { repair: 'observe', replace: 'off' }, told: 1 },
  ] as const)('in the modes $modes people are told $told times, and the journal has it all', async ({ modes, told }) => {
    const rig = await new Rig({ modes }).started();
    rig.crash(2);
    rig.crash(3);
    await rig.clock.advance(5 * MINUTE);
    expect([rig.stateOf(2), rig.stateOf(3)]).toEqual(['needs_human', 'needs_human']);
    expect(rig.notes.filter(({ loud }) => loud)).toHaveLength(told);
    expect(rig.notes.length > 0).toBe(told > 0);
  });

  it('one that becomes whole by itself is healthy again, the other one still needs a person, who may reset it', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    rig.crash(3);
    rig.cluster.inSync(3);
    rig.resolves(3);
    await rig.clock.advance(60 * MINUTE);
    expect([rig.stateOf(2), rig.stateOf(3), rig.intents()]).toEqual(['needs_human', 'healthy', []]);
    expect(rig.notesOver).toEqual([3]);
    rig.pilot.reset('orders-dal', 2, 'kim');
    expect(rig.stateOf(2)).toBe('unhealthy');
    await rig.openIntent(5 * MINUTE);
  });

  it('a rolling stop beside it is none', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    rig.cluster.kill(3, 'stopped');
    rig.cluster.set(3, { inStopGrace: true });
    await rig.clock.advance(5000);
    expect([rig.stateOf(2), rig.stateOf(3)]).toEqual(['unhealthy', 'healthy']);
  });

  it('an act under way is watched to its end', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    await rig.lease();
    rig.crash(3);
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.stateOf(3)]).toEqual(['repairing', 'needs_human']);
  });
});

describe('an executor', () => {
  it('that dies in mid-repair: its lease runs out, it is observed, and the broker may come back all the same', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    await rig.lease();
    await rig.clock.advance(61_000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['verifying', ['repair 1 unknown']]);
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });

  it('that dies and leaves the broker dead: failed only after the window, then asked again by the back-off', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    await rig.lease();
    await rig.until('failed', () => rig.intents()[0] === 'repair 1 failed', 12 * MINUTE);
    expect(rig.stateOf(2)).toBe('unhealthy');
    expect(rig.pilot.control.modeOf('orders-dal', 'repair')).toBe('approve');
    // Nobody has seen a restart fail: that its executor died says nothing of the broker.
    expect(rig.pilot.state().clusters[0]?.brokers[0]).toMatchObject({ repairsFailed: 0, attempts: 1 });
    await rig.until('asked again', () => rig.intents().includes('repair 2 awaiting_approval'), 17 * MINUTE);
  });

  it('that dies after it had begun counts against the broker', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'running', text: 'systemctl restart' });
    await rig.until('failed', () => rig.intents()[0] === 'repair 1 failed', 12 * MINUTE);
    expect(rig.pilot.state().clusters[0]?.brokers[0]).toMatchObject({ repairsFailed: 1, attempts: 1 });
  });

  it('that fails while another broker breaks: a person is asked, from then on before each act', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.cluster.replicas = [...rig.cluster.replicas, [1, 3], [3, 1], [1, 3], [3, 1]];
    rig.crash(3);
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'failed', text: 'no such unit' });
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.outcomes()]).toEqual(['needs_human', ['repair wrong']]);
    expect(rig.pilot.control.modeOf('orders-dal', 'repair')).toBe('approve');
  });

  it('whose failure is confirmed by our own look has failed at once', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'failed', text: 'no such unit' });
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['unhealthy', ['repair 1 failed']]);
    // That it does not come back is foreseen: more restarts, then a replacement, without a person in between.
    expect(rig.pilot.control.modeOf('orders-dal', 'repair')).toBe('auto');
    await rig.until('asked again', () => rig.intents().includes('repair 2 open'), 17 * MINUTE);
  });

  it('that fails while another broker falls behind made it worse: a person is asked from then on', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.cluster.replicas = [...rig.cluster.replicas, [1, 3], [3, 1], [1, 3], [3, 1]];
    rig.cluster.outOfSync.add(3);
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'failed', text: 'no such unit' });
    await rig.clock.advance(2000);
    expect(rig.pilot.control.modeOf('orders-dal', 'repair')).toBe('approve');
  });

  it('that says failed of a broker which is up is not believed', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.cluster.comesBack(2);
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'failed', text: 'timed out' });
    await rig.clock.advance(2000);
    expect(rig.stateOf(2)).toBe('verifying');
  });

  it('that refuses is asked again later, and no repair has failed', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'rejected', text: 'not my host' });
    await rig.clock.advance(2000);
    expect(rig.pilot.state().clusters[0]?.brokers[0]).toMatchObject({ state: 'unhealthy', repairsFailed: 0, attempts: 1 });
    expect(rig.intents()).toEqual(['repair 1 rejected']);
    await rig.until('asked again', () => rig.intents().length === 2, 16 * MINUTE);
  });

  it('whose probe finds a recovery leaves the broker alone', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'running', text: 'recovers', process: 'recovering', progress: 10 });
    expect(rig.stateOf(2)).toBe('recovering');
    rig.cluster.inSync(2);
    await rig.clock.advance(3000);
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'succeeded', text: 'it runs' });
    await rig.clock.advance(1000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });
});

describe('a recovery', () => {
  it('is left alone while it advances: no intent, no failure, until it has taken too long', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.until('recovering', () => {
      rig.cluster.set(2, { lastQuorumFetchAt: rig.clock.now() });
      return rig.stateOf(2) === 'recovering';
    });
    await rig.until('needs_human', () => {
      rig.cluster.set(2, { lastQuorumFetchAt: rig.clock.now() });
      return rig.stateOf(2) === 'needs_human';
    });
    expect(rig.intents()).toEqual([]);
  });

  it('that a probe finds after the quorum had told of one is left alone while the probe’s number rises', async () => {
    const rig = await new Rig().started();
    rig.cluster.kill(2);
    rig.fires(2);
    rig.cluster.set(2, { up: true, registered: false, lastQuorumFetchAt: rig.clock.now() });
    await rig.until('it stands still', () => rig.stateOf(2) === 'unhealthy', 20 * MINUTE);
    rig.cluster.kill(2);
    await rig.openIntent(5 * MINUTE);
    const { id, fencingToken } = await rig.lease();
    for (let progress = 1; progress <= 40; progress++) {
      rig.pilot.book.heartbeat(id, fencingToken);
      rig.pilot.book.ack({ intentId: id, fencingToken, status: 'running', text: `${progress} %`, process: 'recovering', progress });
      await rig.clock.advance(30_000);
      expect(rig.stateOf(2)).toBe('recovering');
    }
  });

  it('that stands still is repaired after all, and not taken for a recovery again', async () => {
    const rig = await new Rig().started();
    rig.cluster.kill(2);
    rig.fires(2);
    rig.cluster.set(2, { up: true, registered: false, lastQuorumFetchAt: rig.clock.now() });
    await rig.clock.advance(2000);
    expect(rig.stateOf(2)).toBe('recovering');
    await rig.clock.advance(14 * MINUTE);
    expect(rig.stateOf(2)).toBe('recovering');
    await rig.clock.advance(2 * MINUTE);
    expect(rig.stateOf(2)).toBe('unhealthy');
    await rig.openIntent(5 * MINUTE);
  });

  it('is not what the last fetch of a dead broker looks like when it is learnt late', async () => {
    const rig = await new Rig().started();
    rig.cluster.set(2, { lastQuorumFetchAt: rig.clock.now() - 4000 });
    rig.crash(2);
    await rig.clock.advance(3000);
    rig.cluster.set(2, { lastQuorumFetchAt: rig.clock.now() - 3100 });
    await rig.clock.advance(30_000);
    expect(rig.stateOf(2)).toBe('unhealthy');
  });

  it('is not what answers that take now more, now less time make of a dead broker’s last fetch', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    const fetchedAt = rig.clock.now() - 100;
    for (const lateMs of [0, 3, 1, 40, 2, 90, 91, 400, 5, 700]) {
      rig.cluster.set(2, { lastQuorumFetchAt: fetchedAt + lateMs });
      await rig.clock.advance(2000);
    }
    expect(rig.stateOf(2)).toBe('unhealthy');
  });
});

describe('a replacement', () => {
  const quick = {
    repair: {
      firstAfterMs: 1000,
      backoffMs: [MINUTE],
      failuresBeforeReplace: 2,
      unhealthyBeforeReplaceMs: 5 * MINUTE,
      verifyMs: 2 * MINUTE,
    },
  };

  async function failing(rig: Rig): Promise<void> {
    await rig.until('replace is pending', () => rig.stateOf(2) === 'replace_pending' || !approveAll(rig), 120 * MINUTE);
  }

  /** Every waiting intent is approved and leased by somebody who begins and is never heard of again. */
  function approveAll(rig: Rig): boolean {
    for (const { id, state } of rig.pilot.book.all()) if (state === 'awaiting_approval') rig.pilot.book.approve(id, 'kim', 'go on');
    for (const { id, state } of rig.pilot.book.all())
      if (state === 'open') void leaseAndDie(rig, id).catch((error: unknown) => rig.errors.push(error));
    return true;
  }

  async function leaseAndDie(rig: Rig, id: string): Promise<void> {
    const { lease } = await rig.pilot.book.lease(id, 'executor-1');
    rig.pilot.book.ack({ intentId: id, fencingToken: lease?.fencingToken ?? 0, status: 'running', text: 'begun' });
  }

  it('comes after so many failed repairs and so long a time, and is verified by the ISR and the replica lists', async () => {
    const rig = await new Rig({ ...quick, fleet: { actsPerHourMax: 100 } }).started();
    rig.crash(2);
    await failing(rig);
    expect(rig.pilot.state().clusters[0]?.brokers[0]).toMatchObject({ state: 'replace_pending' });
    await rig.until('an open or waiting replace', () => rig.intents().some((one) => one.startsWith('replace')), 60 * MINUTE);
    const replace = rig.pilot.book.all().find(({ action }) => action === 'replace');
    await rig.until('replacing', () => approveAll(rig) && rig.stateOf(2) === 'replacing', 120 * MINUTE);
    const token = rig.pilot.book.get(replace?.id ?? '')?.lease?.fencingToken ?? 0;
    rig.cluster.set(4, {});
    await rig.clock.advance(1000);
    rig.cluster.replicas = rig.cluster.replicas.map((ids) => ids.map((id) => (id === 2 ? 4 : id)));
    rig.cluster.outOfSync.add(4);
    await rig.clock.advance(5000);
    rig.pilot.book.ack({ intentId: replace?.id ?? '', fencingToken: token, status: 'succeeded', text: 'moved' });
    await rig.clock.advance(5000);
    expect(rig.pilot.state().clusters[0]?.brokers[0]).toMatchObject({ state: 'verifying', replacedBy: 4 });
    rig.cluster.outOfSync.delete(4);
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.cluster.forgotten]).toEqual(['healthy', [2]]);
    expect(rig.intents().at(-1)).toMatch(/^replace \d succeeded$/);
  });

  it('of a broker with the last copy is a matter for people', async () => {
    const rig = await new Rig({ ...quick, fleet: { actsPerHourMax: 100 } }).started();
    rig.crash(2);
    rig.cluster.replicas = [...rig.cluster.replicas, [2]];
    await rig.until('a person is needed', () => approveAll(rig) && rig.stateOf(2) === 'needs_human', 120 * MINUTE);
    expect(rig.pilot.state().clusters[0]?.brokers[0]?.note).toContain('payments-3');
    expect(
      rig
        .intents()
        .filter((one) => one.startsWith('replace'))
        .every((one) => one.endsWith('cancelled')),
    ).toBe(true);
  });
});

describe('mode observe', () => {
  it('writes down what would have been done, once, and how it ended', async () => {
    const rig = await new Rig({ modes: { repair: 'observe' } }).started();
    rig.crash(2);
    await rig.clock.advance(120 * MINUTE);
    expect([rig.intents(), rig.outcomes(), rig.stateOf(2)]).toEqual([['repair 1 observed'], ['repair needed'], 'unhealthy']);
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect([rig.outcomes(), rig.stateOf(2)]).toEqual([['repair needed'], 'healthy']);
  });

  it('counts a broker that healed by itself soon', async () => {
    const rig = await new Rig({ modes: { repair: 'observe' } }).started();
    rig.crash(2);
    await rig.clock.advance(4 * MINUTE);
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect(rig.outcomes()).toEqual(['repair healed']);
  });
});

describe('kill -9', () => {
  it('after every commit: the next process goes on and comes to the same end', async () => {
    const whole = await new Rig().started();
    await play(whole, () => Promise.resolve());
    const commits = whole.store.commits;
    expect(commits).toBeGreaterThan(8);
    for (let at = 1; at <= commits; at++) {
      const rig = await new Rig({ fleet: { startGraceMs: 1000 } }).started();
      let killed = false;
      await play(rig, async () => {
        if (killed || rig.store.commits < at) return;
        killed = true;
        await rig.killedAndStarted();
        await rig.clock.advance(2000);
      });
      expect([at, rig.stateOf(2), rig.outcomes().at(-1)]).toEqual([at, 'healthy', 'repair needed']);
      expect(rig.intents().filter((one) => one.endsWith('succeeded'))).toHaveLength(1);
      rig.pilot.stop();
    }
  });

  /** A crash, a repair, its verification; `between` is called after every second of it. */
  async function play(rig: Rig, between: () => Promise<void>): Promise<void> {
    rig.crash(2);
    await between();
    for (let second = 0; second < 600 && rig.stateOf(2) !== 'healthy'; second++) {
      await rig.clock.advance(1000);
      await between();
      const open = rig.pilot.book.all().find(({ state }) => state === 'open');
      if (open !== undefined) {
        await rig.pilot.book.lease(open.id, 'executor-1').catch((error: unknown) => void rig.errors.push(error));
        await between();
      }
      if (rig.stateOf(2) === 'verifying' && second % 10 === 0) rig.cluster.inSync(2);
    }
  }
});

describe('whoever tells it something', () => {
  it('is never hurt by what goes wrong inside', async () => {
    const rig = await new Rig().started();
    rig.cluster.picture = () => {
      throw new Error('broken');
    };
    expect(() => rig.fires(2)).not.toThrow();
    rig.pilot.lookNow('orders-dal');
    rig.pilot.lookNow('no such cluster');
    await rig.clock.advance(5000);
    expect(rig.errors.length).toBeGreaterThan(0);
  });

  it('a cluster that leaves the configuration takes its intents and rows along', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    rig.cluster.names = [];
    await rig.clock.advance(1000);
    expect([rig.pilot.state().clusters, rig.intents(), rig.store.loadBrokers(), rig.store.loadEvidence()]).toEqual([
      [],
      ['repair 1 cancelled'],
      [],
      [],
    ]);
  });
});

describe('the owner of a broker that cannot be mended', () => {
  it('is pinged once for each thing that happens, never twice for one', async () => {
    const rig = await new Rig({ modes: { replace: 'approve' }, fleet: { announceFirst: 10, actsPerHourMax: 100 } }).started();
    rig.crash(2);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await rig.openIntent();
      const { id, fencingToken } = await rig.lease();
      rig.pilot.book.ack({ intentId: id, fencingToken, status: 'failed', text: 'no such unit' });
      await rig.clock.advance(2000);
    }
    await rig.until('a replacement is asked for', () => rig.intents().some((one) => one.startsWith('replace')), 120 * MINUTE);
    expect(rig.notes.filter(({ loud }) => loud).map(({ text }) => text.split(' ').slice(0, 4).join(' '))).toEqual([
      ...Array.from({ length: 3 }, () => ['It will restart broker', 'the repair of broker']).flat(),
      "A person's approval is",
    ]);
  });
});

describe('another cluster under the same name', () => {
  it('takes every lease in it back, and nothing is concluded until it is the old one again', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.cluster.clusterIdChanged = true;
    await rig.clock.advance(1000);
    expect(() => rig.pilot.book.heartbeat(id, fencingToken)).toThrow(expect.objectContaining({ code: 'LEASE_LOST' }));
    await rig.clock.advance(30 * MINUTE);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['repairing', ['repair 1 unknown']]);
    rig.cluster.clusterIdChanged = false;
    await rig.clock.advance(1000);
    expect(rig.stateOf(2)).toBe('verifying');
  });
});

describe('a person who does not answer', () => {
  it('is asked ever more rarely: nine times in the first day, not every three quarters of an hour', async () => {
    const rig = await new Rig({ modes: { repair: 'approve' }, fleet: { tickMs: 30_000 } }).started();
    rig.crash(2);
    await rig.clock.advance(24 * 60 * MINUTE);
    const asked = rig.notes.filter(({ text, loud }) => loud && text.startsWith("A person's approval"));
    expect(asked.length).toBeLessThanOrEqual(9);
    expect(asked.length).toBeGreaterThanOrEqual(6);
  });
});

describe('the configuration', () => {
  it('a cluster that left it while Belfry was down leaves nothing: an act in flight there would count for ever', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    await rig.lease();
    rig.cluster.names = [];
    await rig.killedAndStarted();
    expect([rig.intents(), rig.pilot.book.inFlight(), rig.store.loadBrokers(), rig.store.loadEvidence()]).toEqual([
      ['repair 1 cancelled'],
      [],
      [],
      [],
    ]);
  });

  it('a cluster that is seen by nobody for a moment, as in a reload, keeps its intents, rows and evidence', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.cluster.unwatched = true;
    await rig.clock.advance(3000);
    expect([rig.stateOf(2), rig.store.loadEvidence().length]).toEqual(['repairing', 1]);
    expect(rig.pilot.book.heartbeat(id, fencingToken).state).toBe('leased');
  });
});

describe('a drill', () => {
  it('of a healthy broker waits for the executor’s word, then for its own look', async () => {
    const rig = await new Rig().started();
    rig.cluster.labels = { drill: 'yes' };
    const incident = { incidentId: 'drill-1', attempt: 1, reason: 'a drill', evidence: [], drill: true };
    rig.pilot.book.request({
      cluster: 'orders-dal',
      action: 'repair',
      broker: 2,
      desiredBrokers: undefined,
      currentBrokers: undefined,
      ...incident,
    });
    const { id, fencingToken } = await rig.lease();
    await rig.clock.advance(5000);
    expect(rig.stateOf(2)).toBe('repairing');
    rig.crash(2);
    await rig.clock.advance(5000);
    expect(rig.stateOf(2)).toBe('repairing');
    rig.cluster.inSync(2);
    rig.resolves(2);
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'succeeded', text: 'restarted' });
    await rig.clock.advance(2000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });
});

describe('three clusters at once', () => {
  it('opens the breaker: no lease anywhere until a person closes it', async () => {
    const rig = new Rig();
    rig.cluster.names = ['orders-dal', 'orders-sfo', 'orders-iad'];
    await rig.started();
    rig.cluster.kill(2);
    const alerts = rig.cluster.names.map((cluster) => rig.alert(2, { labels: { cluster } }));
    rig.pilot.receive(alerts, rig.clock.now());
    expect(rig.pilot.control.breaker()).toContain('3 clusters');
    await rig.clock.advance(10 * MINUTE);
    expect(new Set(rig.intents())).toEqual(new Set(['repair 1 blocked']));
    rig.pilot.control.closeBreaker('kim', 'a switch was replaced');
    await rig.openIntent(2 * MINUTE);
  });

  it('count also where two brokers break at once and a person is asked at once', async () => {
    const rig = new Rig();
    rig.cluster.names = ['orders-dal', 'orders-sfo', 'orders-iad'];
    await rig.started();
    rig.cluster.kill(2);
    rig.cluster.kill(3);
    rig.pilot.receive(
      rig.cluster.names.flatMap((cluster) => [2, 3].map((id) => rig.alert(id, { labels: { cluster } }))),
      rig.clock.now(),
    );
    expect([rig.stateOf(2), rig.stateOf(3)]).toEqual(['needs_human', 'needs_human']);
    expect(rig.pilot.control.breaker()).toContain('3 clusters');
  });
});
