import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** Paths of the PEM files of one certificate. */
export interface CertFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

/** Paths of the PEM files of one cluster: its CA, and a client certificate (an ordinary user's) which that CA has signed. */
export interface TlsFiles extends CertFiles {
  readonly caPath: string;
  /** The super user's certificate. */
  readonly admin: CertFiles;
}

const run = promisify(execFile);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes a CA in `dir`, and certificates signed by it for an ordinary user and the super user (their names become the CN). Needs openssl 3. */
export async function makeCa(dir: string, names: { client: string; admin: string }): Promise<TlsFiles> {
  const caPath = path.join(dir, 'ca.pem');
  await openssl(
    ['-keyout', path.join(dir, 'ca.key'), '-out', caPath, '-subj', '/CN=Belfry testbed CA'],
    ['basicConstraints=critical,CA:TRUE'],
  );
  const [client, admin] = await Promise.all([
    makeCert(dir, { name: 'client', commonName: names.client }),
    makeCert(dir, { name: 'admin', commonName: names.admin }),
  ]);
  return { caPath, ...client, admin };
}

export interface CertOptions {
  readonly name: string;
  readonly commonName: string;
  readonly days?: number;
  /** As openssl takes them. Default 127.0.0.1 and localhost. */
  readonly altNames?: string;
}

/** Makes a certificate, signed by the CA of `makeCa` in the same folder. */
export async function makeCert(dir: string, options: CertOptions): Promise<CertFiles> {
  const certPath = path.join(dir, `${options.name}.pem`);
  const keyPath = path.join(dir, `${options.name}.key`);
  await openssl(
    [
      '-CA',
      path.join(dir, 'ca.pem'),
      '-CAkey',
      path.join(dir, 'ca.key'),
      '-keyout',
      keyPath,
      '-out',
      certPath,
      '-subj',
      `/CN=${options.commonName}`,
    ],
    [
      `subjectAltName=${options.altNames ?? 'DNS:localhost,IP:127.0.0.1'}`,
      'basicConstraints=critical,CA:FALSE',
      'extendedKeyUsage=serverAuth,clientAuth',
    ],
    options.days,
  );
  return { certPath, keyPath };
}

/** Makes a client certificate of the CA of `makeCa` in the same folder that has ended a day ago. */
export async function makeExpiredCert(dir: string, commonName: string): Promise<CertFiles> {
  const [certPath, keyPath, requestPath] = ['pem', 'key', 'csr'].map((ending) => path.join(dir, `expired.${ending}`)) as [
    string,
    string,
    string,
  ];
  await run('openssl', ['req', '-new', ...NEW_KEY, '-keyout', keyPath, '-out', requestPath, '-subj', `/CN=${commonName}`]);
  const ca = ['-CA', path.join(dir, 'ca.pem'), '-CAkey', path.join(dir, 'ca.key'), '-set_serial', '7'];
  await run('openssl', ['x509', '-req', '-in', requestPath, '-out', certPath, ...ca, '-days', '-1']);
  return { certPath, keyPath };
}

/** Writes the one file that Kafka's PEM key store takes: key and certificate. Returns its path. */
export async function makeKeystore(dir: string, name: string, altNames?: string): Promise<string> {
  const { certPath, keyPath } = await makeCert(dir, { name, commonName: name, ...(altNames === undefined ? {} : { altNames }) });
  const keystorePath = path.join(dir, `${name}.keystore.pem`);
  await writeFile(keystorePath, (await readFile(keyPath, 'utf8')) + (await readFile(certPath, 'utf8')));
  return keystorePath;
}

async function openssl(args: readonly string[], extensions: readonly string[], days = 3650): Promise<void> {
  await run('openssl', [
    'req',
    '-x509',
    ...NEW_KEY,
    '-days',
    String(days),
    ...args,
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ]);
}
