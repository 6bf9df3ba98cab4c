import { describe, it } from '@jest/globals';
import { missingTool, NEWEST_KAFKA } from './kafka-dist.ts';

/**
 * `describe` for tests that need a real Kafka. Where the machine lacks what one needs they are skipped, with one loud line;
 * with BELFRY_REQUIRE_REAL=1 they fail instead.
 */
export function describeWithKafka(name: string, tests: () => void, version: string = NEWEST_KAFKA): void {
  describeWhere(missingTool(version), name, tests);
}

/** `describe` for tests that need anything a machine may lack: `missing` says in one line what, undefined that all is there. */
export function describeWhere(missing: string | undefined, name: string, tests: () => void): void {
  if (missing === undefined) {
    describe(name, tests);
  } else if (process.env['BELFRY_REQUIRE_REAL'] === '1') {
    describe(name, () => {
      it('has what it needs on this machine', () => {
        throw new Error(missing);
      });
    });
  } else {
    process.stderr.write(`\n*** SKIPPED: ${name}: ${missing}\n`);
    describe.skip(name, tests);
  }
}
