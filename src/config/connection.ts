import { PASSWORD_MECHANISMS } from '../kafka/schema.ts';
import type { SaslConfig, TlsConfig } from './config.ts';
import type { ConfigPath } from './problems.ts';
import type { ResolveContext } from './resolve.ts';
import type { ClusterFile } from './schema.ts';

/** The files that `tls:` names, read. */
export function resolveTls(tls: NonNullable<ClusterFile['tls']>, path: ConfigPath, { source, report }: ResolveContext): TlsConfig {
  if ((tls.cert_file === undefined) !== (tls.key_file === undefined)) report(path, 'cert_file and key_file go together', true);
  return {
    ca: source.text(tls.ca_file, [...path, 'ca_file']),
    cert: source.text(tls.cert_file, [...path, 'cert_file']),
    key: source.secret({ key_file: tls.key_file }, 'key', path),
    serverName: tls.server_name,
    rejectUnauthorized: !tls.insecure_skip_verify,
  };
}

/** Undefined, and a problem, where there is no secret. */
export function resolveSasl(sasl: NonNullable<ClusterFile['sasl']>, path: ConfigPath, { source }: ResolveContext): SaslConfig | undefined {
  if (sasl.mechanism === 'oauthbearer') {
    const clientSecret = source.secret(sasl, 'client_secret', path, { required: true });
    if (clientSecret === undefined) return undefined;
    const { token_endpoint: tokenEndpoint, client_id: clientId, scope, audience, ca_file } = sasl;
    const ca = source.text(ca_file, [...path, 'ca_file']);
    return { mechanism: 'OAUTHBEARER', tokenEndpoint, clientId, clientSecret, scope, audience, ca };
  }
  const password = source.secret(sasl, 'password', path, { required: true });
  if (password === undefined) return undefined;
  return { mechanism: PASSWORD_MECHANISMS[sasl.mechanism], username: sasl.username, password };
}
