import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BelfryError } from '../core/errors.ts';

/** A form has a handful of fields; only selectors are given again and again. It is not cut into more pieces than this tells. */
const FIELDS_MAX = 10_000;
const LINE_END = '\r\n';

/**
 * The fields of an address or of a form. As in Go's `url.ParseQuery`, one with a broken escape or a semicolon counts as not
 * given. Throws `BAD_REQUEST` for what is no UTF-8: with a letter replaced it would ask for something else; `LIMIT_EXCEEDED`.
 */
export function readForm(text: string): URLSearchParams {
  const fields = new URLSearchParams();
  const pairs = text.split('&', FIELDS_MAX + 1);
  if (pairs.length > FIELDS_MAX) throw new BelfryError('LIMIT_EXCEEDED', `more than ${FIELDS_MAX} parameters`);
  for (const pair of pairs) {
    if (pair === '' || pair.includes(';') || /%(?![0-9a-f]{2})/i.test(pair)) continue;
    const at = pair.indexOf('=');
    const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    fields.append(unescaped(name), unescaped(value));
  }
  return fields;
}

/** The fields of `multipart/form-data` (RFC 7578); files are left out. Throws `BAD_REQUEST` where it cannot be read. */
export function readMultipart(body: Uint8Array, contentType: string): URLSearchParams {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw new BelfryError('BAD_REQUEST', 'a form of several parts has to name their boundary');
  // Each byte as one character, so that what is between the boundaries keeps its bytes.
  const parts = `${LINE_END}${Buffer.from(body).toString('latin1')}`.split(`${LINE_END}--${boundary}`, FIELDS_MAX + 1);
  if (parts.length > FIELDS_MAX) throw new BelfryError('LIMIT_EXCEEDED', `more than ${FIELDS_MAX} parts of a form`);
  if (parts.length < 2 || parts.at(-1)?.startsWith('--') !== true)
    throw new BelfryError('BAD_REQUEST', 'the last part of the form has no end');
  const fields = new URLSearchParams();
  for (const part of parts.slice(1, -1)) {
    const at = part.indexOf(LINE_END + LINE_END);
    const [head, value] = at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 2 * LINE_END.length)];
    const disposition = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(head)?.[1] ?? '';
    const [, name] = /;\s*name="([^"\r\n]*)"/i.exec(disposition) ?? [];
    if (name === undefined) throw new BelfryError('BAD_REQUEST', 'a part of the form has no name');
    if (!/;\s*filename\*?=/i.test(disposition)) fields.append(utf8Of(name), utf8Of(value));
  }
  return fields;
}

/**
 * Has the routes of a scope take forms of several parts as well. A body of another kind counts as none, as everywhere in Prometheus:
 * its clients name all kinds of types, and the parameters may as well stand in the address.
 */
export function acceptForms(scope: FastifyInstance): void {
  scope.removeContentTypeParser(['application/json', 'text/plain']);
  scope.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, async ({ headers }: FastifyRequest, body: string | Buffer) =>
    readMultipart(Buffer.from(body), headers['content-type'] ?? ''),
  );
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, async () => undefined);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw noUtf8(text, cause);
  }
}

function utf8Of(latin1: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, 'latin1'));
  } catch (cause) {
    throw noUtf8(latin1, cause);
  }
}

function noUtf8(text: string, cause: unknown): BelfryError {
  return new BelfryError('BAD_REQUEST', `${JSON.stringify(text.slice(0, 100))} is no UTF-8`, { cause });
}
