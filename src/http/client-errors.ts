import type { Socket } from 'node:net';

/** What becomes of bytes that are no request, or none in time: an answer in Prometheus's envelope, and the end of the connection. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  // Who reset the connection reads nothing any more.
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, why] = refusalOf(error.code);
  const body = JSON.stringify({ status: 'error', errorType: 'bad_data', error: why });
  if (!socket.writable) return void socket.destroy();
  const head = [`HTTP/1.1 ${status}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}

function refusalOf(code: string | undefined): readonly [status: string, why: string] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ['408 Request Timeout', 'the request took too long to arrive'];
  if (code === 'HPE_HEADER_OVERFLOW')
    return [
      '431 Request Header Fields Too Large',
      'the address and the headers are too long: ask by POST, with the parameters in the body',
    ];
  return ['400 Bad Request', 'this is no HTTP request'];
}
