import type { FastifyInstance } from 'fastify';

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** Which methods the pages of a server have; to be made before the first of them. */
export class Methods {
  readonly #pages: { readonly segments: readonly string[]; readonly methods: readonly string[] }[] = [];

  constructor(server: FastifyInstance) {
    server.addHook('onRoute', ({ url, method }) => {
      this.#pages.push({ segments: url.split('/'), methods: [method].flat() });
    });
  }

  /** Those of the page of this path; none where there is no such page. */
  of(path: string): readonly string[] {
    const asked = path.split('/');
    const found = this.#pages
      .filter(
        ({ segments }) =>
          segments.length === asked.length && segments.every((one, i) => one === asked[i] || (one.startsWith(':') && asked[i] !== '')),
      )
      .flatMap(({ methods }) => methods);
    return METHODS.filter((method) => found.includes(method));
  }
}
