import { describe, expect, it } from '@jest/globals';
import type { Ack } from '../../src/core/autopilot.ts';
import type { BrokerPicture } from '../../src/autopilot/picture.ts';
import { fetchedInOutage, RecoveryWatch } from '../../src/autopilot/recovery.ts';

const DOWN_AT = 1_000_000;

function broker(lastQuorumFetchAt: number | undefined): BrokerPicture {
  return {
    id: 2,
    expected: true,
    up: false,
    registered: false,
    verdict: 'crashed',
    downSince: DOWN_AT,
    inStopGrace: false,
    rack: undefined,
    lastQuorumFetchAt,
    usedBytes: undefined,
  };
}

/** Whether these times of its last fetch, one a picture, are a sign that its process starts up. */
function signOf(fetches: readonly (number | undefined)[]): boolean {
  const watch = new RecoveryWatch();
  for (const fetch of fetches) watch.look(broker(fetch));
  return watch.sign(broker(fetches.at(-1)), undefined, DOWN_AT) !== undefined;
}

describe('fetches from the quorum as a sign of recovery', () => {
  it.each([
    { says: 'nothing of a quorum', fetches: [undefined, undefined, undefined], is: false },
    { says: 'a dead broker, whose last fetch before its death is learnt late', fetches: [DOWN_AT - 5000, DOWN_AT - 100], is: false },
    {
      says: 'a dead broker, whose time of fetch is reckoned anew from each answer',
      fetches: [DOWN_AT - 100, DOWN_AT - 97, DOWN_AT - 60, DOWN_AT + 40, DOWN_AT + 350],
      is: false,
    },
    { says: 'one late answer', fetches: [DOWN_AT - 100, DOWN_AT + 2000, DOWN_AT - 90], is: false },
    { says: 'a process that starts', fetches: [DOWN_AT - 100, DOWN_AT + 6000, DOWN_AT + 11_000], is: true },
    {
      says: 'a process that starts, looked at often',
      fetches: [0, 500, 1000, 1500, 2000, 2500].map((ms) => DOWN_AT + ms),
      is: true,
    },
  ])('$says: $is', ({ fetches, is }) => {
    expect(signOf(fetches)).toBe(is);
  });

  it('counts only what was fetched after the broker went down', () => {
    expect(fetchedInOutage(broker(DOWN_AT - 4000))).toBeUndefined();
    expect(fetchedInOutage(broker(DOWN_AT + 300))).toBeUndefined();
    expect(fetchedInOutage(broker(DOWN_AT + 3000))).toBe(DOWN_AT + 3000);
    expect(fetchedInOutage({ ...broker(DOWN_AT - 4000), downSince: undefined })).toBe(DOWN_AT - 4000);
  });
});

describe("an executor's probe as a sign of recovery", () => {
  const ack = (intentId: string, progress?: number): Ack => ({
    intentId,
    fencingToken: 1,
    status: 'running',
    text: '',
    process: 'recovering',
    ...(progress === undefined ? {} : { progress }),
  });

  it('advances when its number rises, whatever the number is of', () => {
    const watch = new RecoveryWatch();
    const seen: readonly (readonly [number, Ack])[] = [
      [100, ack('A', 3)],
      [200, ack('A', 3)],
      [300, ack('A', 17)],
      [400, ack('A', 5)],
      [500, ack('B', 1)],
      [600, ack('B')],
    ];
    expect(seen.map(([at, said]) => watch.sign(broker(undefined), said, at)?.progress)).toEqual([100, 100, 300, 300, 500, 500]);
  });

  it('begins anew once the broker was back', () => {
    const watch = new RecoveryWatch();
    expect(watch.sign(broker(undefined), ack('A', 3), 100)?.progress).toBe(100);
    watch.look({ ...broker(undefined), up: true, registered: true, downSince: undefined });
    expect(watch.sign(broker(undefined), ack('A', 3), 900)?.progress).toBe(900);
  });
});
