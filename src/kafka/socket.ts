import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket, type ConnectionOptions } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { socketBreak } from './break.ts';
import { ConnectionBreakError, type BrokerAddress, type KafkaSecurity } from './observer.ts';

/**
 * Opens a socket, after the TLS handshake where one is configured; the name is looked up anew each time. Rejects with
 * a `ConnectionBreakError`.
 */
export function openSocket(address: BrokerAddress, tls: KafkaSecurity['tls'], clock: Clock, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let socket: Socket;
    try {
      socket = tls === undefined ? connectTcp({ host: address.host, port: address.port }) : connectTls(tlsOptions(address, tls));
    } catch (error) {
      // Certificates and keys that cannot be read, a port that cannot be one.
      reject(socketBreak(error));
      return;
    }
    socket.setNoDelay(true);
    const settle = (finish: () => void): void => {
      timer.cancel();
      socket
        .off('error', onError)
        .off('close', onClose)
        .off(tls === undefined ? 'connect' : 'secureConnect', onOpen);
      finish();
    };
    const fail = (reason: ConnectionBreakError): void => {
      settle(() => {
        // A socket that is given up may still report errors; they belong to a connection that nobody has.
        socket.on('error', () => undefined);
        socket.destroy();
        reject(reason);
      });
    };
    const onOpen = (): void => settle(() => resolve(socket));
    const onError = (error: Error): void => fail(handshakeBreak(error) ?? socketBreak(error));
    const onClose = (): void => fail(new ConnectionBreakError('closed', 'the other side closed the connection at once'));
    const timer = clock.timer(timeoutMs, () => {
      const unheard = socket.connecting;
      fail(new ConnectionBreakError('timeout', `no connection within ${Math.round(timeoutMs)} ms`, { unheard }));
    });
    socket
      .on('error', onError)
      .on('close', onClose)
      .on(tls === undefined ? 'connect' : 'secureConnect', onOpen);
  });
}

function tlsOptions(address: BrokerAddress, tls: NonNullable<KafkaSecurity['tls']>): ConnectionOptions {
  // A server name must be a name; an address is checked against the certificate's addresses.
  const servername = tls.serverName ?? (isIP(address.host) === 0 ? address.host : undefined);
  return {
    host: address.host,
    port: address.port,
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(servername === undefined ? {} : { servername }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

/** Node reports an orderly close in the middle of a handshake as a reset, which the kernel did not say. */
function handshakeBreak(error: Error): ConnectionBreakError | undefined {
  if (!error.message.includes('before secure TLS connection was established')) return undefined;
  return new ConnectionBreakError('closed', 'closed during the TLS handshake (does this listener speak TLS?)', { cause: error });
}

/** When the listener's certificate ends, Unix milliseconds. */
export function certificateEnd(socket: Socket): number | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const end = Date.parse(socket.getPeerCertificate().valid_to);
  return Number.isNaN(end) ? undefined : end;
}
