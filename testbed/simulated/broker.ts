import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const HIGHEST_FRAME = 64 * 1024 * 1024;

/** Takes one request, without its length, and answers by calling `reply` with the whole answer. */
export type OnFrame = (frame: Buffer, reply: (parts: readonly Buffer[]) => void) => void;

/** The listener of one simulated broker, on a port of 127.0.0.1 that it keeps when it is killed and comes back. */
export class SimulatedBroker {
  readonly id: number;
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  #port = 0;

  constructor(id: number, onFrame: OnFrame, onAccepted: (open: number) => void) {
    this.id = id;
    this.#server = createServer((socket) => {
      this.sockets.add(socket);
      onAccepted(this.sockets.size);
      socket.setNoDelay(true);
      // A client that goes away is no fault of the simulation.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.sockets.delete(socket));
      readFrames(socket, onFrame);
    });
  }

  get port(): number {
    return this.#port;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** As SIGKILL does: every connection breaks and the port refuses. */
  async kill(): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function readFrames(socket: Socket, onFrame: OnFrame): void {
  let buffered: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    while (buffered.length >= 4) {
      const length = buffered.readInt32BE(0);
      if (length < 0 || length > HIGHEST_FRAME) {
        socket.destroy();
        return;
      }
      if (buffered.length < 4 + length) return;
      const frame = buffered.subarray(4, 4 + length);
      buffered = buffered.subarray(4 + length);
      onFrame(frame, (parts) => {
        socket.cork();
        for (const part of parts) socket.write(part);
        socket.uncork();
      });
    }
  });
}
