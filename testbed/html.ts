/** Markup that is already safe. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** Escapes for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

type Value = Html | string | number | undefined | readonly Html[];

/** Markup with everything that is put into it escaped, unless it is markup of this function. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  let text = strings[0] ?? '';
  for (const [index, value] of values.entries()) text += render(value) + (strings[index + 1] ?? '');
  return new Html(text);
}

function render(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map((item) => item.text).join('');
  return escapeHtml(String(value));
}

/** One piece of markup of many. */
export function join(parts: readonly Html[], separator = ''): Html {
  return new Html(parts.map((part) => part.text).join(separator));
}

/** A whole page that fetches itself anew every second and keeps its scroll position and what was opened on it. */
export function page(title: string, css: string, body: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${title}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <style>
          ${new Html(BASE_CSS + css)}
        </style>
      </head>
      <body>
        <main id="main">${body}</main>
        <script>
          ${new Html(REFRESH)};
        </script>
      </body>
    </html>`.text;
}

/** Time of day in UTC with milliseconds, as the stand-ins show when something arrived. */
export function timeOfDay(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(11, 23);
}

const BASE_CSS = `
*{box-sizing:border-box}
:root{color-scheme:light dark;--bg:#fff;--fg:#1d1c1d;--dim:#616061;--line:#dddddd;--card:#f8f8f8;--accent:#1264a3;--code:#c01343}
@media (prefers-color-scheme:dark){:root{--bg:#1a1d21;--fg:#e8e8e8;--dim:#ababad;--line:#35373b;--card:#222529;--accent:#4aa3df;--code:#e8912d}}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.46 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
a{color:var(--accent)}
h1{font-size:18px;margin:0}h2{font-size:15px;margin:0}
pre,code{font:12.5px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
pre{margin:4px 0;padding:8px;background:var(--card);border:1px solid var(--line);border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere}
.dim{color:var(--dim);font-size:12px}
.empty{padding:40px;text-align:center;color:var(--dim)}
`;

const REFRESH = `
let last='';
setInterval(async()=>{
  try{
    const text=await (await fetch(location.pathname+location.search,{headers:{accept:'text/html'}})).text();
    if(text===last)return;
    const first=last==='';last=text;if(first)return;
    const next=new DOMParser().parseFromString(text,'text/html').getElementById('main');
    const open=[...document.querySelectorAll('details[open]')].map(d=>d.id);
    document.getElementById('main').replaceWith(next);
    for(const id of open){const d=id&&document.getElementById(id);if(d)d.open=true}
  }catch{document.title='(not answering)'}
},1000);
`;
