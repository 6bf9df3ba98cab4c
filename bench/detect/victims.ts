import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { arrivalTime } from '../../testbed/arrivals.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import type { ClusterView, PartitionView } from '../../testbed/admin.ts';
import type { Kill } from './told.ts';

const RESTORE_TIMEOUT_MS = 120_000;

/** A kill with what the kernel needs for it: taking down a JVM's memory comes before the end of its sockets. */
export interface MeasuredKill extends Kill {
  /** From the signal until a connection that did nothing but wait was ended. */
  readonly socketsEndedMs: number;
}

/** SIGKILL, with the time just before it. */
export async function kill(cluster: Cluster, broker: number): Promise<MeasuredKill> {
  const witness = await connect(cluster.port(broker));
  const at = arrivalTime();
  const [endedAt] = await Promise.all([endOf(witness), cluster.kill(broker)]);
  return { broker, at, socketsEndedMs: endedAt - at };
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

function endOf(socket: net.Socket): Promise<number> {
  return new Promise((resolve) => {
    // Ended or reset: both are the end. What follows is our own closing.
    socket.once('error', () => resolve(arrivalTime()));
    socket.once('close', () => resolve(arrivalTime()));
    socket.resume();
  });
}

/** Starts the broker; returns when every replica is in sync and every preferred leader leads, so that each kill meets a leader. */
export async function restore(cluster: Cluster, broker: number): Promise<void> {
  await cluster.start(broker);
  await everyReplicaBack(cluster);
}

/** Returns when every replica is in sync and every preferred leader leads. */
export async function everyReplicaBack(cluster: Cluster): Promise<void> {
  const isWhole = ({ isr, replicas }: PartitionView): boolean => isr.length === replicas.length;
  const view = await cluster.waitUntil((seen) => everyPartition(seen, isWhole), { timeoutMs: RESTORE_TIMEOUT_MS });
  const isLed = ({ leader, replicas }: PartitionView): boolean => leader === replicas[0];
  for (const topic of view.topics.keys()) await cluster.electPreferredLeaders(topic);
  await cluster.waitUntil((seen) => everyPartition(seen, isLed), { timeoutMs: RESTORE_TIMEOUT_MS });
}

function everyPartition(view: ClusterView, holds: (partition: PartitionView) => boolean): boolean {
  return [...view.topics.values()].every((partitions) => partitions.every(holds));
}

/** Up to `mostMs` by chance, so that the kills keep no step with pings, slots or scrapes. */
export async function loseStep(mostMs: number): Promise<void> {
  await sleep(Math.random() * mostMs);
}
