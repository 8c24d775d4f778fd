"""All kinds of lines: handled, or ignored with a reason, else unknown (house law 5, D1).

A kind that is ignored takes a rollout index all the same (F5).
"""

from worker.reducer import (
    agents,
    commands,
    media,
    messages,
    paginated,
    patches,
    review,
    session,
    tools,
    turn_items,
    turns,
)
from worker.reducer.kind import IGNORED, KindTable, in_both_modes, merge

_LIVE_ONLY = "live only: no store keeps it and no item shows it"
_COVERED = "what it says shows through other events"
_NO_ITEM = "settings and counters of the session, no item"

IGNORED_EVENTS: dict[str, str] = {
    "warning": _LIVE_ONLY,
    "guardian_warning": _LIVE_ONLY,
    "realtime_conversation_started": _LIVE_ONLY,
    "realtime_conversation_realtime": _LIVE_ONLY,
    "realtime_conversation_closed": _LIVE_ONLY,
    "realtime_conversation_sdp": _LIVE_ONLY,
    "realtime_conversation_list_voices_response": _LIVE_ONLY,
    "model_reroute": _LIVE_ONLY,
    "model_verification": _LIVE_ONLY,
    "thread_settings_applied": _NO_ITEM,
    "agent_reasoning_section_break": _LIVE_ONLY,
    "session_configured": _LIVE_ONLY,
    "thread_goal_updated": _NO_ITEM,
    "mcp_startup_update": _LIVE_ONLY,
    "mcp_startup_complete": _LIVE_ONLY,
    "exec_command_output_delta": _COVERED,
    "terminal_interaction": _COVERED,
    "exec_approval_request": _LIVE_ONLY,
    "request_permissions": _LIVE_ONLY,
    "request_user_input": _LIVE_ONLY,
    "elicitation_request": _LIVE_ONLY,
    "deprecation_notice": _LIVE_ONLY,
    "stream_error": _LIVE_ONLY,
    "patch_apply_updated": _COVERED,
    "turn_diff": _COVERED,
    "plan_update": _COVERED,
    "shutdown_complete": _LIVE_ONLY,
    "raw_response_item": _COVERED,
    "hook_started": _LIVE_ONLY,
    "hook_completed": _LIVE_ONLY,
    "agent_message_content_delta": _COVERED,
    "plan_delta": _COVERED,
    "reasoning_content_delta": _COVERED,
    "reasoning_raw_content_delta": _COVERED,
    "turn_moderation_metadata": _LIVE_ONLY,
    "safety_buffering": _LIVE_ONLY,
    "environment_connected": _LIVE_ONLY,
    "environment_disconnected": _LIVE_ONLY,
    "raw_response_completed": _LIVE_ONLY,
}

IGNORED_LINES: dict[str, str] = {
    "inter_agent_communication": "for the model, not shown (U1)",
    "inter_agent_communication_metadata": "for the model, not shown (U1)",
    "world_state": "for the model, not shown (U1)",
}

EVENTS: KindTable = merge(
    in_both_modes(
        merge(
            turns.KINDS,
            messages.KINDS,
            commands.KINDS,
            patches.KINDS,
            tools.KINDS,
            media.KINDS,
            agents.KINDS,
            review.KINDS,
            turn_items.KINDS,
        ),
        paginated.HANDLERS,
    ),
    session.KINDS,
    dict.fromkeys(IGNORED_EVENTS, IGNORED),
)
LINES: KindTable = merge(in_both_modes(turns.LINES, {}), session.LINES, dict.fromkeys(IGNORED_LINES, IGNORED))
RESPONSE_ITEMS: KindTable = in_both_modes(messages.RESPONSE_ITEMS, {})

# What a June rollout keeps (1.5): all that the read filter lets through (F9).
PERSISTED_EVENTS = frozenset({
    "user_message",
    "agent_message",
    "agent_reasoning",
    "agent_reasoning_raw_content",
    "patch_apply_end",
    "token_count",
    "thread_goal_updated",
    "context_compacted",
    "entered_review_mode",
    "exited_review_mode",
    "mcp_tool_call_end",
    "thread_rolled_back",
    "turn_aborted",
    "task_started",
    "turn_started",
    "task_complete",
    "turn_complete",
    "web_search_end",
    "image_generation_end",
    "item_completed",
    "thread_settings_applied",
    "sub_agent_activity",
})  # fmt: skip
PERSISTED_RESPONSE_ITEMS = frozenset({
    "message",
    "reasoning",
    "local_shell_call",
    "function_call",
    "tool_search_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "tool_search_output",
    "web_search_call",
    "image_generation_call",
    "compaction",
    "compaction_summary",
    "context_compaction",
    "agent_message",
})  # fmt: skip
