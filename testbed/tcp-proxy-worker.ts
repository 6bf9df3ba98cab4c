import { connect, createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/** What `TcpProxy` hands its thread. */
export interface ProxyOrders {
  /** Where connections are forwarded to; undefined: they are accepted and kept. */
  readonly target: { readonly host: string; readonly port: number } | undefined;
  /** 1 while the thread is to stand still. */
  readonly standing: SharedArrayBuffer;
  readonly backlog: number;
}

const { target, standing, backlog } = workerData as ProxyOrders;

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  if (target === undefined) return;
  const onward = connect(target);
  onward.on('error', () => socket.destroy());
  socket.on('close', () => onward.destroy());
  onward.on('close', () => socket.destroy());
  socket.pipe(onward).pipe(socket);
});
server.listen({ host: '127.0.0.1', port: 0, backlog }, () => {
  const address = server.address();
  parentPort?.postMessage({ port: typeof address === 'object' ? address?.port : undefined });
});

parentPort?.on('message', () => {
  parentPort?.postMessage('still');
  Atomics.wait(new Int32Array(standing), 0, 1);
});
