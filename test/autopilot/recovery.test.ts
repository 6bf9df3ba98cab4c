import { describe, expect, it } from '@jest/globals';
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
  return watch.sign(broker(fetches.at(-1)), undefined) !== undefined;
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
