import { afterAll, beforeAll, expect, it } from '@jest/globals';
import kafkajs from 'kafkajs';
import { AcksConsumer } from '../../../src/autopilot/intents/acks-consumer.ts';
import { Delivery } from '../../../src/autopilot/intents/delivery.ts';
import { KafkaPublisher } from '../../../src/autopilot/intents/kafka-publisher.ts';
import { SystemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { Secret } from '../../../src/core/secret.ts';
import { parseStructured, type IntentCloudEvent } from '../../../src/formats/intent-event.ts';
import { signAck, verifyIntent } from '../../../src/formats/intent-signature.ts';
import { KafkaMessaging } from '../../../src/kafka/messaging.ts';
import { startCluster, type Cluster } from '../../../testbed/cluster.ts';
import { describeWithKafka } from '../../../testbed/skip.ts';
import { BookStand } from './book-stand.ts';

const key = new Secret('the key');

describeWithKafka('intents and acks on a real Kafka', () => {
  let cluster: Cluster;
  let messaging: KafkaMessaging;
  const clock = new SystemClock();

  beforeAll(async () => {
    cluster = await startCluster({ brokers: 1, controllers: 'combined' });
    messaging = new KafkaMessaging({ brokers: [{ host: '127.0.0.1', port: cluster.port(1) }], clock, log: silentLogger });
  }, 120_000);

  afterAll(async () => {
    await messaging.close();
    await cluster[Symbol.asyncDispose]();
  });

  it('reach a plain consumer, which takes the lease and answers', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', onWarning);
    const stand = new BookStand();
    const common = { messaging, clock, log: silentLogger, meter: silentMeter, signingKey: key };
    const publisher = new KafkaPublisher({ ...common, topic: 'belfry.intents', cluster: undefined });
    const delivery = new Delivery({ ...common, book: stand.book, publishers: () => [publisher] });
    const acks = new AcksConsumer({ ...common, topic: 'belfry.acks', groupId: 'belfry', book: stand.book });
    delivery.start();
    acks.start();
    const acked = new Promise<string>((resolve) => {
      stand.book.on(({ kind, intent }) => {
        if (kind === 'acked') resolve(`${intent.state}, ${intent.lastWord}`);
      });
    });

    const { id } = stand.request();
    // The publisher makes it at the same time: whoever comes second finds it there.
    await messaging.ensureTopic('belfry.intents');
    expect(await messaging.ensureTopic('belfry.intents')).toBe(false);
    const client = new kafkajs.Kafka({ brokers: cluster.bootstrap, logLevel: 0 });
    const consumer = client.consumer({ groupId: 'executors' });
    const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await Promise.all([consumer.connect(), producer.connect()]);
    await consumer.subscribe({ topics: ['belfry.intents'], fromBeginning: true });
    const seen: (string | IntentCloudEvent)[] = [];
    await consumer.run({
      eachMessage: async ({ message }) => {
        const event = parseStructured(message.value?.toString('utf8') ?? '');
        seen.push(message.key?.toString('utf8') ?? '', event);
        if (event.data.state !== 'open' || !verifyIntent(key, { ...event.data, id: event.data.intentId }, event.data.signature)) return;
        const { lease } = await stand.book.lease(event.data.intentId, 'thirty lines');
        const ack = { intentId: id, fencingToken: lease?.fencingToken ?? 0, status: 'running', text: 'restarting' } as const;
        const messages = [
          'no ack',
          JSON.stringify({ ...ack, signature: 'forged' }),
          JSON.stringify({ ...ack, signature: signAck(key, ack) }),
        ];
        await producer.send({ topic: 'belfry.acks', messages: messages.map((value) => ({ value })) });
      },
    });

    expect(await acked).toBe('running, running: restarting');
    expect(seen.slice(0, 2)).toEqual(['orders-dal', expect.objectContaining({ type: 'belfry.intent.repair.v1', subject: 'broker/2' })]);
    await Promise.all([consumer.disconnect(), producer.disconnect(), acks.stop(), delivery.stop()]);
    process.off('warning', onWarning);
    expect(warnings.filter((name) => name === 'TimeoutNegativeWarning')).toEqual([]);
  }, 90_000);

  it('whoever finds a topic made by somebody else a moment ago can use it', async () => {
    const admin = new kafkajs.Kafka({ brokers: cluster.bootstrap, logLevel: 0, retry: { retries: 0 } }).admin();
    await admin.connect();
    for (let round = 0; round < 10; round++) {
      const topic = `race-${round}`;
      await Promise.all([1, 2].map(() => messaging.ensureTopic(topic)));
      expect((await admin.fetchTopicMetadata({ topics: [topic] })).topics).toHaveLength(1);
    }
    await admin.disconnect();
  }, 60_000);

  it('a consumer ends when its brokers are gone, and does not begin again by itself', async () => {
    const own = new KafkaMessaging({ brokers: [{ host: '127.0.0.1', port: cluster.port(1) }], clock, log: silentLogger });
    await own.ensureTopic('belfry.acks');
    const consumer = await own.consume({ topic: 'belfry.acks', groupId: 'away', onMessage: () => Promise.resolve() });
    await cluster.kill(1);
    expect(await consumer.ended).toMatchObject({ code: 'KAFKA_UNREACHABLE' });
    await own.close();
    await cluster.start(1);
  }, 90_000);

  it('say so when nobody is there', async () => {
    const nowhere = new KafkaMessaging({ brokers: [{ host: '127.0.0.1', port: 1 }], clock, log: silentLogger });
    await expect(nowhere.ensureTopic('belfry.intents')).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' });
    await expect(nowhere.send({ topic: 'a', key: 'b', value: 'c', headers: {} })).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' });
    await nowhere.close();
    await expect(nowhere.send({ topic: 'a', key: 'b', value: 'c', headers: {} })).rejects.toMatchObject({ code: 'STOPPING' });
  }, 60_000);
});
