/** What an error code of Slack's Web API means for a message (docs.slack.dev/reference/methods/chat.postMessage, chat.update). */
export type SlackVerdict =
  /** Another attempt may work. */
  | 'retry'
  /** Only a person can change it. */
  | 'give_up'
  /** The message to edit, or the thread to answer in, is gone or closed: a new message is posted. */
  | 'post_anew'
  /** Slack does not like the blocks: the plain text is sent. */
  | 'plain';

const VERDICTS: Readonly<Record<string, SlackVerdict>> = {
  message_not_found: 'post_anew',
  edit_window_closed: 'post_anew',
  cant_update_message: 'post_anew',
  update_failed: 'post_anew',
  thread_not_found: 'post_anew',
  invalid_thread_ts: 'post_anew',
  cannot_reply_to_message: 'post_anew',
  restricted_action_thread_locked: 'post_anew',
  restricted_action_thread_only_channel: 'give_up',
  msg_blocks_too_long: 'plain',
  msg_too_long: 'plain',
  invalid_blocks: 'plain',
  invalid_blocks_format: 'plain',
  invalid_attachments: 'plain',
  ratelimited: 'retry',
  rate_limited: 'retry',
  message_limit_exceeded: 'retry',
  internal_error: 'retry',
  fatal_error: 'retry',
  service_unavailable: 'retry',
  request_timeout: 'retry',
  team_added_to_org: 'retry',
  channel_not_found: 'give_up',
  not_in_channel: 'give_up',
  is_archived: 'give_up',
  invalid_channel: 'give_up',
  no_text: 'give_up',
  invalid_auth: 'give_up',
  not_authed: 'give_up',
  account_inactive: 'give_up',
  token_revoked: 'give_up',
  token_expired: 'give_up',
  no_permission: 'give_up',
  missing_scope: 'give_up',
  not_allowed_token_type: 'give_up',
  access_denied: 'give_up',
  team_access_not_granted: 'give_up',
  team_not_found: 'give_up',
  org_login_required: 'give_up',
  ekm_access_denied: 'give_up',
  two_factor_setup_required: 'give_up',
  restricted_action: 'give_up',
  restricted_action_read_only_channel: 'give_up',
  restricted_action_non_threadable_channel: 'give_up',
  // Answers of incoming webhooks (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
  invalid_payload: 'plain',
  invalid_token: 'give_up',
  no_service: 'give_up',
  no_service_id: 'give_up',
  no_active_hooks: 'give_up',
  no_team: 'give_up',
  channel_is_archived: 'give_up',
  action_prohibited: 'give_up',
  user_not_found: 'give_up',
  posting_to_general_channel_denied: 'give_up',
};

/** The verdict on a code; one that is not known may be Slack's trouble and is tried again. */
export function slackVerdict(code: string): SlackVerdict {
  // The Web API answers 200 and 429; another 4xx is a wrong api_url, or a proxy that refuses.
  if (/^http_[34]\d\d$/.test(code)) return code === 'http_408' || code === 'http_429' ? 'retry' : 'give_up';
  return Object.hasOwn(VERDICTS, code) ? (VERDICTS[code] ?? 'retry') : 'retry';
}

const HINTS: Readonly<Record<string, string>> = {
  channel_not_found: 'no such channel, or it is private and the bot is not in it',
  not_in_channel: 'invite the bot to the channel',
  is_archived: 'the channel is archived',
  invalid_auth: 'the token is not valid',
  token_revoked: 'the token was revoked',
  account_inactive: 'the bot was removed from the workspace',
  missing_scope: 'the token lacks the scope chat:write',
};

/** The code with what to do about it. */
export function slackHint(code: string): string {
  const hint = Object.hasOwn(HINTS, code) ? HINTS[code] : undefined;
  return hint === undefined ? code : `${code} (${hint})`;
}
