import { quote } from './quote.ts';
import type { Block, Command, Operand, Pipeline, Spot } from './ast.ts';

/** A part of a template as Go prints it: one space between operands, constants and names as they were written. */
export function spotText(spot: Spot): string {
  switch (spot.type) {
    case 'text':
      return spot.text;
    case 'action':
      return `{{${pipelineText(spot.pipeline)}}}`;
    case 'if':
    case 'with':
    case 'range': {
      const otherwise = spot.otherwise === undefined ? '' : `{{else}}${blockText(spot.otherwise)}`;
      return `{{${spot.type} ${pipelineText(spot.pipeline)}}}${blockText(spot.body)}${otherwise}{{end}}`;
    }
    case 'break':
    case 'continue':
      return `{{${spot.type}}}`;
    case 'template':
      return `{{template ${quote(spot.name)}${spot.pipeline === undefined ? '' : ` ${pipelineText(spot.pipeline)}`}}}`;
    case 'pipeline':
      return pipelineText(spot);
    case 'command':
      return commandText(spot);
    case 'dot':
      return '.';
    case 'nil':
      return 'nil';
    case 'bool':
      return String(spot.value);
    case 'number':
    case 'text constant':
      return spot.text;
    case 'function':
      return spot.name;
    case 'field':
      return fieldsText(spot.path);
    case 'variable':
      return spot.name + fieldsText(spot.path);
    case 'chain':
      return inParentheses(spot.operand) + fieldsText(spot.path);
  }
}

function blockText(block: Block): string {
  return block.map(spotText).join('');
}

function pipelineText({ variables, assigns, commands }: Pipeline): string {
  const declared = variables.length === 0 ? '' : `${variables.join(', ')} ${assigns ? '=' : ':='} `;
  return declared + commands.map(commandText).join(' | ');
}

function commandText({ first, args }: Command): string {
  return [first, ...args].map(inParentheses).join(' ');
}

function inParentheses(operand: Operand): string {
  return operand.type === 'pipeline' ? `(${pipelineText(operand)})` : spotText(operand);
}

function fieldsText(path: readonly string[]): string {
  return path.map((name) => `.${name}`).join('');
}
