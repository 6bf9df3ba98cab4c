import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What happens to one connection's bytes on their way. */
export interface Passage {
  /** The client sent this. */
  forth(chunk: Buffer, peer: Socket): void;
  /** The peer answered this. */
  back(chunk: Buffer, client: Socket): void;
  /** Whether the client learns that the peer has hung up; without it, it does. */
  tellsEnd?(): boolean;
}

/** The way to a peer on loopback, with somebody on it in whose hands everything is that passes. */
export class Way {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(to: number, passageOf: () => Passage) {
    this.#server = createServer((client) => {
      const passage = passageOf();
      const peer = connect(to, '127.0.0.1');
      for (const socket of [client, peer]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
      }
      client.on('data', (chunk: Buffer) => passage.forth(chunk, peer));
      peer.on('data', (chunk: Buffer) => passage.back(chunk, client));
      client.on('close', () => peer.destroy());
      peer.on('close', () => void (passage.tellsEnd?.() !== false && client.destroy()));
    });
  }

  /** `passageOf` is called for each connection as it comes. */
  static async to(port: number, passageOf: () => Passage): Promise<Way> {
    const way = new Way(port, passageOf);
    await new Promise<void>((resolve) => way.#server.listen(0, '127.0.0.1', resolve));
    return way;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
