import { describe, expect, it } from '@jest/globals';
import { createFirstLook } from '../../src/app/first-look.ts';

describe('the first look', () => {
  it('comes once, when the last cluster has been looked at', () => {
    const clusters = [{ hasLooked: false }, { hasLooked: false }];
    let looks = 0;
    const perhaps = createFirstLook({ clusters: () => clusters, look: () => looks++ });
    perhaps();
    for (const cluster of clusters) {
      cluster.hasLooked = true;
      expect(looks).toBe(0);
      perhaps();
    }
    expect(looks).toBe(1);
    clusters.push({ hasLooked: false });
    perhaps();
    expect(looks).toBe(1);
  });

  it('comes at once where there is no cluster', () => {
    let looks = 0;
    createFirstLook({ clusters: () => [], look: () => looks++ })();
    expect(looks).toBe(1);
  });
});
