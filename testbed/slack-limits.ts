/** A message as its sender gave it. */
export interface SlackContent {
  text: string;
  blocks: readonly unknown[];
  attachments: readonly unknown[];
}

/** What Slack would refuse, by the name of its error; `details` is what it says beside it. */
export interface SlackRefusal {
  error: string;
  details?: string[];
}

/**
 * The limits of Slack's messages (docs.slack.dev: chat.postMessage, Block Kit reference). One is known from reports only:
 * the text of all blocks together may not be much longer than 13,000 characters.
 */
export const SLACK_LIMITS = {
  textLength: 40_000,
  blocks: 50,
  allBlocksText: 13_000,
  sectionText: 3000,
  sectionFields: 10,
  sectionFieldText: 2000,
  headerText: 150,
  contextElements: 10,
  actionsElements: 25,
  buttonText: 75,
  url: 3000,
  blockId: 255,
  attachments: 100,
} as const;

type Block = Readonly<Record<string, unknown>>;

/** The reason why Slack would not take a message; undefined when it would. */
export function refusalOf(content: SlackContent): SlackRefusal | undefined {
  const { text, blocks, attachments } = content;
  if (text === '' && blocks.length === 0 && attachments.length === 0) return { error: 'no_text' };
  if (text.length > SLACK_LIMITS.textLength) return { error: 'msg_too_long' };
  if (attachments.length > SLACK_LIMITS.attachments) return { error: 'too_many_attachments' };
  if (blocks.length > SLACK_LIMITS.blocks) {
    return { error: 'invalid_blocks', details: [`no more than ${SLACK_LIMITS.blocks} items allowed [json-pointer:/blocks]`] };
  }
  const details = blocks.flatMap((block, index) => faultsOf(block, `/blocks/${index}`));
  if (details.length > 0) return { error: 'invalid_blocks', details };
  if (blocks.reduce<number>((sum, block) => sum + textLength(block), 0) > SLACK_LIMITS.allBlocksText)
    return { error: 'msg_blocks_too_long' };
  return undefined;
}

function faultsOf(block: unknown, at: string): string[] {
  if (!isObject(block)) return [`must provide an object [json-pointer:${at}]`];
  const faults: string[] = [];
  const fault = (what: string, where: string): number => faults.push(`${what} [json-pointer:${at}${where}]`);
  const { block_id: blockId } = block;
  if (typeof blockId === 'string' && blockId.length > SLACK_LIMITS.blockId)
    fault(`must be less than ${SLACK_LIMITS.blockId + 1} characters`, '/block_id');
  switch (block['type']) {
    case 'section':
      sectionFaults(block, fault);
      break;
    case 'header':
      textFaults(block['text'], SLACK_LIMITS.headerText, '/text', fault, ['plain_text']);
      break;
    case 'context':
      listFaults(
        block,
        SLACK_LIMITS.contextElements,
        (element, where) => {
          if (isObject(element) && element['type'] !== 'image') textFaults(element, SLACK_LIMITS.sectionText, where, fault);
        },
        fault,
      );
      break;
    case 'actions':
      listFaults(block, SLACK_LIMITS.actionsElements, (element, where) => buttonFaults(element, where, fault), fault);
      break;
    case 'divider':
    case 'image':
    case 'rich_text':
    case 'markdown':
      break;
    default:
      fault(`unsupported type: ${textOf(block['type'])}`, '/type');
  }
  return faults;
}

type Fault = (what: string, where: string) => number;

function sectionFaults(block: Block, fault: Fault): void {
  const { text, fields } = block;
  if (text === undefined && fields === undefined) fault('missing required field: text or fields', '');
  if (text !== undefined) textFaults(text, SLACK_LIMITS.sectionText, '/text', fault);
  if (fields === undefined) return;
  if (!Array.isArray(fields)) return void fault('must be an array', '/fields');
  if (fields.length === 0 || fields.length > SLACK_LIMITS.sectionFields)
    fault(`between 1 and ${SLACK_LIMITS.sectionFields} items`, '/fields');
  for (const [index, field] of fields.entries()) textFaults(field, SLACK_LIMITS.sectionFieldText, `/fields/${index}`, fault);
}

function buttonFaults(element: unknown, where: string, fault: Fault): void {
  if (!isObject(element) || element['type'] !== 'button') return;
  textFaults(element['text'], SLACK_LIMITS.buttonText, `${where}/text`, fault, ['plain_text']);
  const { url } = element;
  if (typeof url === 'string' && url.length > SLACK_LIMITS.url) fault('the url is too long', `${where}/url`);
}

function listFaults(block: Block, limit: number, each: (element: unknown, where: string) => void, fault: Fault): void {
  const { elements } = block;
  if (!Array.isArray(elements)) return void fault('missing required field: elements', '');
  if (elements.length === 0 || elements.length > limit) fault(`between 1 and ${limit} items`, '/elements');
  for (const [index, element] of elements.entries()) each(element, `/elements/${index}`);
}

function textFaults(value: unknown, limit: number, where: string, fault: Fault, types: readonly string[] = ['mrkdwn', 'plain_text']): void {
  if (!isObject(value) || typeof value['text'] !== 'string') return void fault('missing required field: text', where);
  if (!types.includes(textOf(value['type']))) fault(`must be one of ${types.join(', ')}`, `${where}/type`);
  if (value['text'].length === 0) fault('must be more than 0 characters', `${where}/text`);
  if (value['text'].length > limit) fault(`must be less than ${limit + 1} characters`, `${where}/text`);
}

/** Length of every `text` in a block, however deep. */
function textLength(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + textLength(item), 0);
  if (!isObject(value)) return 0;
  return Object.entries(value).reduce(
    (sum, [key, item]) => sum + (key === 'text' && typeof item === 'string' ? item.length : textLength(item)),
    0,
  );
}

/** Whether something parsed is an object with fields. */
export function isObject(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text, or an empty one for anything that is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
