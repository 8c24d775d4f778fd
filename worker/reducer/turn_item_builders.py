"""TurnItems as thread items (U11): pure builders, one a tag."""

import re
from collections.abc import Callable
from typing import Any, cast

from worker.model import item as items
from worker.model.scalar import I64_MAX
from worker.reducer import turn_item_shapes as shapes
from worker.reducer.commands import SOURCES, actions
from worker.reducer.messages import citation, text_element
from worker.reducer.patches import files
from worker.reducer.review import review_text
from worker.reducer.shell import shell_join
from worker.reducer.tools import app_context, bounded_ms, mcp_result, web_action

# A tag that a later Codex may bring.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_CONTENT_KEYS = {
    "image": ("image", "url", "image_url"),
    "local_image": ("localImage", "path", "path"),
    "audio": ("audio", "url", "audio_url"),
    "local_audio": ("localAudio", "path", "path"),
}


def _content(found: Any) -> dict[str, Any]:
    if found["type"] == "text":
        elements = [text_element(element) for element in found.get("text_elements", ())]
        return {"type": "text", "text": found["text"], "text_elements": elements}
    if found["type"] in ("skill", "mention"):
        return {"type": found["type"], "name": found["name"], "path": found["path"]}
    name, key, source = _CONTENT_KEYS[found["type"]]
    shown = {"type": name, key: found[source]}
    if "image" in found["type"]:
        shown["detail"] = found.get("detail")
    return shown


def _user(found: shapes.UserMessage) -> items.Item:
    content = [_content(part) for part in found["content"]]
    return items.UserMessage(type="userMessage", id=found["id"], clientId=found.get("client_id"), content=content)


def _hook(found: shapes.HookPrompt) -> items.Item:
    fragments = [{"text": part["text"], "hookRunId": part["hookRunId"]} for part in found["fragments"]]
    return items.HookPrompt(type="hookPrompt", id=found["id"], fragments=fragments)


def _agent(found: shapes.AgentMessage) -> items.Item:
    return items.AgentMessage(
        type="agentMessage",
        id=found["id"],
        text="".join(part["text"] for part in found["content"]),
        phase=found.get("phase"),
        memoryCitation=citation(found.get("memory_citation")),
    )


def _plan(found: shapes.Plan) -> items.Item:
    return items.Plan(type="plan", id=found["id"], text=found["text"])


def _reasoning(found: shapes.Reasoning) -> items.Item:
    return items.Reasoning(
        type="reasoning", id=found["id"], summary=found["summary_text"], content=found.get("raw_content", [])
    )


def _status(name: str) -> Any:
    return "inProgress" if name == "in_progress" else name


def _command(found: shapes.CommandExecution) -> items.Item:
    duration = found.get("duration")
    return items.CommandExecution(
        type="commandExecution",
        id=found["id"],
        pluginId=found.get("plugin_id"),
        scriptPath=found.get("script_path"),
        command=shell_join(found["command"]),
        cwd=found["cwd"],
        processId=found.get("process_id"),
        source=SOURCES[found["source"]],
        status=_status(found["status"]),
        commandActions=actions(found["parsed_cmd"], found["cwd"]),
        aggregatedOutput=found.get("aggregated_output") or None,
        exitCode=found.get("exit_code"),
        durationMs=None if duration is None or duration > I64_MAX else duration,
    )


def _dynamic(found: shapes.DynamicToolCall) -> items.Item:
    duration = found.get("duration")
    return items.DynamicToolCall(
        type="dynamicToolCall",
        id=found["id"],
        namespace=found.get("namespace"),
        tool=found["tool"],
        arguments=found["arguments"],
        status=_status(found["status"]),
        contentItems=cast("Any", found.get("content_items")),
        success=found.get("success"),
        durationMs=None if duration is None else bounded_ms(duration),
    )


_COLLAB = {
    "spawn_agent": "spawnAgent",
    "send_input": "sendInput",
    "resume_agent": "resumeAgent",
    "wait": "wait",
    "close_agent": "closeAgent",
}


def _collab(found: shapes.CollabAgentToolCall) -> items.Item:
    return items.CollabAgentToolCall(
        type="collabAgentToolCall",
        id=found["id"],
        tool=_COLLAB[found["tool"]],
        status=_status(found["status"]),
        senderThreadId=found["sender_thread_id"],
        receiverThreadIds=found.get("receiver_thread_ids", []),
        prompt=found.get("prompt"),
        model=found.get("model"),
        reasoningEffort=found.get("reasoning_effort"),
        agentsStates=found.get("agents_states", {}),
    )


def _activity(found: shapes.SubAgentActivity) -> items.Item:
    return items.SubAgentActivity(
        type="subAgentActivity",
        id=found["id"],
        kind=found["kind"],
        agentThreadId=found["agent_thread_id"],
        agentPath=found["agent_path"],
    )


def _web(found: shapes.WebSearch) -> items.Item:
    return items.WebSearch(
        type="webSearch",
        id=found["id"],
        query=found["query"],
        action=web_action(found["action"]),
        results=found.get("results"),
    )


def _view(found: shapes.ImageView) -> items.Item:
    return items.ImageView(type="imageView", id=found["id"], path=found["path"])


def _image(found: shapes.ImageGeneration) -> items.Item:
    item = items.ImageGeneration(
        type="imageGeneration",
        id=found["id"],
        status=found["status"],
        revisedPrompt=found.get("revised_prompt"),
        result=found["result"],
        transparentBackground=None,
    )
    saved = found.get("saved_path")
    if saved is not None:
        item["savedPath"] = saved
    return item


def _extension(found: Any) -> items.Item:
    return _EXTENSIONS[found["kind"]](found)


def _extension_image(found: shapes.ExtensionImage) -> items.Item:
    item = items.ImageGeneration(
        type="imageGeneration",
        id=found["id"],
        status=found["status"],
        revisedPrompt=found.get("revisedPrompt"),
        result=found["result"],
        transparentBackground=found.get("transparentBackground"),
    )
    saved = found.get("savedPath")
    if saved is not None:
        item["savedPath"] = saved
    return item


def _extension_sleep(found: shapes.ExtensionSleep) -> items.Item:
    return items.Sleep(type="sleep", id=found["id"], durationMs=found["durationMs"])


_WEB_KEYS = {"search": ("query", "queries"), "openPage": ("url",), "findInPage": ("url", "pattern")}


def _extension_web(found: shapes.ExtensionWeb) -> items.Item:
    action = cast("dict[str, Any] | None", found.get("action"))
    shown: dict[str, Any] | None = None
    if action is not None:
        keys = _WEB_KEYS.get(action["type"])
        shown = {"type": action["type"] if keys else "other"} | {key: action.get(key) for key in keys or ()}
    return items.WebSearch(
        type="webSearch", id=found["id"], query=found["query"], action=shown, results=found.get("results")
    )


_EXTENSIONS: dict[str, Callable[[Any], items.Item]] = {
    "image_gen.generation": _extension_image,
    "clock.sleep": _extension_sleep,
    "web.search": _extension_web,
}


def _entered(found: shapes.EnteredReviewMode) -> items.Item:
    return items.ReviewMode(type="enteredReviewMode", id=found["id"], review=found["user_facing_hint"])


def _exited(found: shapes.ExitedReviewMode) -> items.Item:
    return items.ReviewMode(type="exitedReviewMode", id=found["id"], review=review_text(found.get("review_output")))


def _files(found: shapes.FileChange) -> items.Item:
    status = found.get("status") or "inProgress"
    return items.FileChange(type="fileChange", id=found["id"], changes=files(found["changes"]), status=status)


def _mcp(found: shapes.McpToolCall) -> items.Item:
    result, error, duration = found.get("result"), found.get("error"), found.get("duration")
    uri = found.get("mcpAppResourceUri")
    item = items.McpToolCall(
        type="mcpToolCall",
        id=found["id"],
        server=found["server"],
        tool=found["tool"],
        status=found["status"],
        arguments=found["arguments"],
        appContext=app_context(
            connector_id=found.get("connectorId"),
            link_id=found.get("linkId"),
            resource_uri=uri,
            app_name=found.get("appName"),
            action_name=found.get("actionName"),
        ),
        pluginId=found.get("pluginId"),
        readOnlyHint=found.get("readOnlyHint"),
        result=None if result is None else mcp_result(result),
        error=None if error is None else {"message": error["message"]},
        durationMs=None if duration is None else bounded_ms(duration),
    )
    if uri is not None:
        item["mcpAppResourceUri"] = uri
    return item


def _compaction(found: shapes.ContextCompaction) -> items.Item:
    return items.ContextCompaction(type="contextCompaction", id=found["id"])


BUILDERS: dict[str, Callable[[Any], items.Item]] = {
    "UserMessage": _user,
    "HookPrompt": _hook,
    "AgentMessage": _agent,
    "Plan": _plan,
    "Reasoning": _reasoning,
    "CommandExecution": _command,
    "DynamicToolCall": _dynamic,
    "CollabAgentToolCall": _collab,
    "SubAgentActivity": _activity,
    "WebSearch": _web,
    "ImageView": _view,
    "ImageGeneration": _image,
    "Extension": _extension,
    "EnteredReviewMode": _entered,
    "ExitedReviewMode": _exited,
    "FileChange": _files,
    "McpToolCall": _mcp,
    "ContextCompaction": _compaction,
}


def built(found: Any) -> items.Item | None:
    """Return the thread item of a checked TurnItem; None for a tag that is not known."""
    build = BUILDERS.get(found["type"])
    return build(found) if build else None


def opaque(found: Any) -> items.Item | None:
    """Return an item of a tag that is not known by its tag and id alone (D21).

    None when the tag is no name, or that of a known item: a reader would take it for one.
    """
    tag: str = found["type"]
    name = tag[:1].lower() + tag[1:]
    if name in items.TYPES or not _NAME.fullmatch(tag):
        return None
    return cast("items.Item", {"type": name, "id": found["id"]})
