import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Arrivals, arrivalTime } from './arrivals.ts';
import type { NextOptions } from './arrivals.ts';
import { html, page, timeOfDay } from './html.ts';
import { HttpStandIn, readBody, sendHtml } from './http-stand-in.ts';
import type { Outage } from './http-stand-in.ts';

/** A request as it arrived. */
export interface WebhookRequest {
  /** ms since the epoch, when its last byte was there. */
  at: number;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** The body parsed, when it is JSON. */
  json: unknown;
  /** What was answered. */
  status: number;
}

/** How the next requests are answered. */
export interface WebhookAnswer {
  status: number;
  retryAfterSeconds?: number;
  body?: string;
}

/** A server that records what is posted to it, answers as told, and shows it on a page. */
export class WebhookSink implements AsyncDisposable {
  readonly requests = new Arrivals<WebhookRequest>();
  #http!: HttpStandIn;
  #answers: { answer: WebhookAnswer; left: number }[] = [];

  static async start(): Promise<WebhookSink> {
    const sink = new WebhookSink();
    sink.#http = await HttpStandIn.listen((request, response) => void sink.#handle(request, response));
    return sink;
  }

  /** Where to post to; any path is taken. A GET shows the page. */
  get url(): string {
    return `${this.#http.url}/`;
  }

  /** Waits for a request, arrived or still to come. Refused ones count: look at `status`. */
  async next(predicate?: (request: WebhookRequest) => boolean, options?: NextOptions): Promise<WebhookRequest> {
    return await this.requests.next(predicate, options);
  }

  /** Answers the next `times` requests so (default: all, until `answerOk`); several calls queue up. */
  answer(answer: WebhookAnswer, times = Infinity): void {
    this.#answers.push({ answer, left: times });
  }

  /** Back to 200 for all. */
  answerOk(): void {
    this.#answers = [];
  }

  async outage(outage: Outage | undefined): Promise<void> {
    await this.#http.outage(outage);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (request.method === 'GET') {
        sendHtml(response, webhookPage(this.requests.all));
        return;
      }
      const body = (await readBody(request)).toString('utf8');
      const answer = this.#nextAnswer();
      const { method = '', url = '/', headers } = request;
      this.requests.add({ at: arrivalTime(), method, path: url, headers, body, json: parseJson(body), status: answer.status });
      const retryAfter = answer.retryAfterSeconds === undefined ? {} : { 'retry-after': String(answer.retryAfterSeconds) };
      response.writeHead(answer.status, { 'content-type': 'text/plain', ...retryAfter }).end(answer.body ?? '');
    } catch (error) {
      if (!response.headersSent) response.writeHead(400);
      response.end(String(error));
    }
  }

  #nextAnswer(): WebhookAnswer {
    const [next] = this.#answers;
    if (next === undefined) return { status: 200 };
    next.left -= 1;
    if (next.left <= 0) this.#answers.shift();
    return next.answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function webhookPage(requests: readonly WebhookRequest[]): string {
  const items = [...requests].reverse().map((request) => {
    const body = request.json === undefined ? request.body : JSON.stringify(request.json, null, 2);
    return html`<article>
      <p><b>${request.method} ${request.path}</b> <span class="dim">${timeOfDay(request.at)} UTC, answered ${request.status}</span></p>
      <pre>${body}</pre>
    </article>`;
  });
  return page(
    `Webhook sink (${requests.length})`,
    'main{max-width:960px;margin:0 auto;padding:16px}article{border-top:1px solid var(--line)}',
    html`<h1>Webhook sink</h1>
      ${items.length === 0 ? html`<p class="empty">Nothing has arrived yet.</p>` : items}`,
  );
}
