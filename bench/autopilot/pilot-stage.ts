import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AutopilotClient } from '../../testbed/autopilot-client.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { startTestbedExecutor, type TestbedExecutor } from '../../testbed/executor.ts';
import { Stage } from '../../testbed/stage.ts';

const CLUSTER = 'bench';
const POLL_MS = 50;
const QUIET_TIMEOUT_MS = 120_000;

/** Between unhealthy and asking for a repair; 2 min by default, which nobody waits for here. */
export const FIRST_AFTER_MS = 500;

/** What differs from a default installation: every wait by intent, and what would end a row of kills of the same brokers. */
const AUTOPILOT = {
  actions: { repair: 'auto' },
  repair: { first_after: `${FIRST_AFTER_MS}ms`, backoff: ['1s'] },
  cooldown: '0s',
  limits: { per_hour: 1000 },
  start_grace: '0s',
  announce: { first: 0 },
} as const;
const FLAPPING_WINDOW = '1s';

/** Said with the figures. */
export const SETTINGS_NOTE =
  `shipped rules and defaults (tick 1 s, metadata every 5 s), but for repair: auto, first_after ${FIRST_AFTER_MS} ms (2 min by default), backoff 1 s, no cooldown, ` +
  `start_grace or announcement, 1000 acts an hour, and liveness.flapping_window ${FLAPPING_WINDOW}; the executor restarts a local process, ` +
  'and looks at it every 300 ms';

/** A Belfry whose auto-pilot repairs, and the testbed's executor. Dispose it before its cluster. */
export class PilotStage implements AsyncDisposable {
  readonly stage: Stage;
  readonly executor: TestbedExecutor;
  readonly api: AutopilotClient;

  private constructor(stage: Stage, executor: TestbedExecutor) {
    this.stage = stage;
    this.executor = executor;
    this.api = new AutopilotClient(() => stage.belfry);
  }

  static async start(cluster: Cluster): Promise<PilotStage> {
    const stage = await Stage.start({
      clusters: [{ name: CLUSTER, brokers: cluster.bootstrap, liveness: { flapping_window: FLAPPING_WINDOW } }],
      config: { autopilot: AUTOPILOT },
    });
    try {
      const { belfry } = stage;
      await belfry.queryUntil('up{job="kafka"} == 1', (samples) => samples.length === cluster.brokerIds.length);
      await belfry.queryUntil('belfry_kafka_under_min_isr_partitions == 0', (samples) => samples.length === 1);
      const executor = await startTestbedExecutor({
        cluster,
        clusterName: CLUSTER,
        belfryUrl: belfry.url,
        token: belfry.token,
        signingKeyPath: join(stage.dataPath, 'autopilot-key'),
      });
      return new PilotStage(stage, executor);
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Resolves when nothing fires and no broker is anything but healthy. */
  async quiet(): Promise<void> {
    const deadline = performance.now() + QUIET_TIMEOUT_MS;
    for (;;) {
      const firing = await this.stage.belfry.query('ALERTS{alertstate="firing", severity!="none"}');
      const { clusters } = await this.api.state();
      const patients = clusters.flatMap(({ brokers }) => brokers).filter(({ state }) => state !== 'healthy');
      if (firing.length === 0 && patients.length === 0) return;
      if (performance.now() > deadline) throw new Error(`does not end: ${JSON.stringify({ firing, patients }).slice(0, 500)}`);
      await sleep(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor[Symbol.asyncDispose]();
    await this.stage[Symbol.asyncDispose]();
  }
}
