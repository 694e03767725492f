"""What the service refuses, with the bodies it is documented to send."""

from typing import Any

import httpx
import pytest

from stepplan.sandbox import Sandbox, Turn
from stepplan.sandbox.models import MODELS
from tests.support.wire import CHAT, CITY, JSON, MESSAGES, ask, auth, body_for, chat, messages, post, tools

BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])
IMAGE: JSON = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
BLOCK: JSON = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
DEEP = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
HUGE = '{"a": ' + "9" * 5000 + "}"
CALL: JSON = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}


def error(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()["error"]["type"]


@BOTH
async def test_a_wrong_key_is_401(path: str) -> None:
    response = await ask(Sandbox(), path, body_for(path), key="sk-other")
    assert response.status_code == 401
    assert response.json() == {"error": {"message": "Incorrect API key provided", "type": "invalid_api_key"}}
    assert response.headers["x-trace-id"]


def test_x_api_key_is_for_messages_only(plan: Sandbox) -> None:
    headers = {"x-api-key": plan.api_key}
    with httpx.Client(trust_env=False) as client:
        assert client.post(plan.base_url + MESSAGES, json=messages(), headers=headers).status_code == 200
        assert client.post(plan.base_url + CHAT, json=chat(), headers=headers).status_code == 401
        bare = {"Authorization": plan.api_key}
        assert client.post(plan.base_url + CHAT, json=chat(), headers=bare).status_code == 401


@BOTH
async def test_no_plan_is_400(path: str) -> None:
    response = await ask(Sandbox(subscription=False), path, body_for(path))
    assert error(response) == (400, "request_params_invalid")
    assert response.json()["error"]["message"] == "you have no active step plan subscription"


@BOTH
async def test_no_quota_is_402(path: str) -> None:
    response = await ask(Sandbox(quota=False), path, body_for(path))
    assert error(response) == (402, "quota_exceeded")
    assert "exceeded your current quota" in response.json()["error"]["message"]


@BOTH
async def test_an_unknown_model_is_404_in_json(path: str) -> None:
    response = await ask(Sandbox(models=["step-3.7-flash"]), path, body_for(path, model="step-3.5-flash"))
    assert error(response) == (404, "model_invalid")
    message = 'The model "step-3.5-flash" does not exist or you do not have access to it.'
    assert response.json()["error"]["message"] == message


@BOTH
@pytest.mark.parametrize("base", ["", "/v1", "/step_plan", "/step_plan/v1/v1", "/step_plan/v2"])
def test_a_wrong_path_is_404_in_plain_text(plan: Sandbox, path: str, base: str) -> None:
    root = plan.base_url.removesuffix("/step_plan")
    with httpx.Client(trust_env=False) as client:
        for response in (
            client.post(root + base + path.removeprefix("/v1"), json=body_for(path), headers=auth()),
            client.post(f"{plan.base_url}{path}/", json=body_for(path), headers=auth()),
            client.get(f"{plan.base_url}{path}", headers=auth()),
            client.get(f"{plan.base_url}/v1/models/step-3.7-flash", headers=auth()),
        ):
            assert response.status_code == 404
            assert response.headers["content-type"].startswith("text/plain")
            assert response.text == "404 page not found"
    assert [request.protocol for request in plan.requests] == [None] * 4


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": "hot"},
        {"temperature": True},
        {"top_p": 0},
        {"top_p": 1.01},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"stream": "yes"},
        {"stop": [1], "stop_sequences": [1]},
        {"stop": 1, "stop_sequences": "x"},
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "smell", "smell": "rose"}]}]},
        {"model": None},
    ],
)
async def test_bad_values_are_400(path: str, fields: JSON) -> None:
    assert error(await ask(Sandbox(), path, body_for(path, **fields))) == (400, "input_invalid")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        *((path, fields) for path in (CHAT, MESSAGES) for fields in ({"temperature": 0}, {"temperature": 2})),
        *((path, fields) for path in (CHAT, MESSAGES) for fields in ({"top_p": 1e-9}, {"top_p": 1}, {"max_tokens": 1})),
        *((CHAT, {"frequency_penalty": end}) for end in (-2, 2)),
        *((CHAT, {name: 1}) for name in ("n", "max_completion_tokens")),
        *((MESSAGES, {"top_k": end}) for end in (0, 500)),
    ],
)
async def test_the_ends_of_a_range_are_accepted(path: str, fields: JSON) -> None:
    assert (await ask(Sandbox(), path, body_for(path, **fields))).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"frequency_penalty": -2.1},
        {"frequency_penalty": 2.1},
        {"max_completion_tokens": 0},
        {"n": 0},
        {"reasoning_effort": ["low"]},
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer"}}},
        {"tools": [{"type": "function", "function": {"name": "get weather"}}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]},
        {"tools": [{"name": "get_weather", "input_schema": CITY}]},
        {"tools": tools(CHAT, f=CITY), "tool_choice": {"type": "function", "function": {"name": "g"}}},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "21"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": None}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "type": ""}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": ""}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[]"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": DEEP}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": HUGE}}]}]},
    ],
)
async def test_chat_refuses(fields: JSON) -> None:
    assert error(await ask(Sandbox(), CHAT, chat(**fields))) == (400, "input_invalid")


@pytest.mark.parametrize(
    "fields",
    [
        {"top_k": -1},
        {"top_k": 501},
        {"messages": [{"role": "robot", "content": "Hello"}]},
        {"tools": [{"name": "get_weather"}]},
        {"tools": [{"input_schema": CITY}]},
        {"messages": [{"role": "system", "content": "Be brief."}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "21"}]}]},
    ],
)
async def test_messages_refuses(fields: JSON) -> None:
    assert error(await ask(Sandbox(), MESSAGES, messages(**fields))) == (400, "input_invalid")


async def test_messages_refuses_a_system_message_as_vllm_does() -> None:
    turn = {"role": "system", "content": "Be brief."}
    refused = await ask(Sandbox(), MESSAGES, messages(messages=[{"role": "user", "content": "Hello"}, turn]))
    assert refused.json()["error"]["message"] == "messages.1.role: Input should be 'user' or 'assistant'"


@pytest.mark.parametrize("role", ["function", "robot", None])
async def test_chat_names_an_unknown_role(role: str | None) -> None:
    response = await ask(Sandbox(), CHAT, chat(messages=[{"role": role, "content": "Hello"}]))
    assert error(response) == (400, "request_params_invalid")
    assert response.json()["error"]["message"] == f"invalid msg role: {role}"


@pytest.mark.parametrize("field", ["max_tokens", "messages", "model"])
async def test_messages_needs(field: str) -> None:
    body = messages()
    del body[field]
    response = await ask(Sandbox(), MESSAGES, body)
    assert error(response) == (400, "input_invalid")
    assert response.json()["error"]["message"] == f"Request param: {field} is required"


@pytest.mark.parametrize("sent", [b"", b"{", b"[1]", b"\xff"])
def test_a_body_that_is_not_an_object_is_400(plan: Sandbox, sent: bytes) -> None:
    with httpx.Client(trust_env=False) as client:
        response = client.post(plan.base_url + CHAT, content=sent, headers=auth())
    assert error(response) == (400, "input_invalid")
    assert plan.requests[0].body == {}


@pytest.mark.parametrize(
    ("model", "effort", "status"),
    [
        ("step-3.5-flash-2603", "low", 200),
        ("step-3.5-flash-2603", "high", 200),
        ("step-3.5-flash-2603", "medium", 400),
        ("step-3.5-flash-2603", "none", 400),
        ("step-3.5-flash", "medium", 200),
        ("step-3.7-flash", "medium", 200),
        ("step-3.7-flash", "off", 200),
    ],
)
async def test_effort(model: str, effort: str, status: int) -> None:
    plan = Sandbox()
    for response in (
        await ask(plan, CHAT, chat(model=model, reasoning_effort=effort)),
        await ask(plan, MESSAGES, messages(model=model, output_config={"effort": effort})),
    ):
        assert response.status_code == status
        if status == 400:
            assert response.json()["error"]["message"].endswith("is invalid, recommended val is: low or high")


@pytest.mark.parametrize(("path", "part"), [(CHAT, IMAGE), (MESSAGES, BLOCK)])
async def test_too_many_images_are_400(path: str, part: JSON) -> None:
    async def send(count: int, **fields: Any) -> httpx.Response:
        content = [{"type": "text", "text": "Compare."}, *[part] * count]
        return await ask(Sandbox(), path, body_for(path, messages=[{"role": "user", "content": content}], **fields))

    assert (await send(60)).status_code == 200
    assert error(await send(61)) == (400, "images_too_many")
    assert error(await send(1, model="step-3.5-flash")) == (400, "input_invalid")
    assert error(await send(1, model="step-router-v1")) == (400, "unsupported_content_type")


async def test_images_in_tool_results_count() -> None:
    use: JSON = {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {}}]}
    result: JSON = {"type": "tool_result", "tool_use_id": "1", "content": [BLOCK] * 61}
    history: list[JSON] = [{"role": "user", "content": "Look."}, use, {"role": "user", "content": [result]}]
    assert error(await ask(Sandbox(), MESSAGES, messages(messages=history))) == (400, "images_too_many")


def test_models_are_listed_with_the_keys_seen_live() -> None:
    with Sandbox(models=[*MODELS, "step-9"]) as plan, httpx.Client(trust_env=False) as client:
        listed = client.get(f"{plan.base_url}/v1/models", headers=auth()).json()
        assert client.get(f"{plan.base_url}/v1/models").status_code == 401
    assert listed["object"] == "list"
    models = {model.pop("id"): model for model in listed["data"]}
    assert list(models) == [
        *("step-3.7-flash", "step-3.5-flash-2603", "step-3.5-flash", "step-router-v1", "step-5-preview", "step-9")
    ]
    documented = {"object": "model", "created": models["step-9"]["created"], "owned_by": "stepai"}
    assert models["step-9"] == documented
    assert models["step-5-preview"] == {
        **documented,
        "model_type": "大语言模型",
        "max_input_tokens": 1_000_000,
        "enable_reason": True,
        "enable_vision_input": True,
        "reasoning_effort_support_list": ["low", "medium", "high"],
        "supported_protocols": ["chat", "messages"],
    }
    assert models["step-3.5-flash-2603"]["reasoning_effort_support_list"] == ["low", "high"]
    assert models["step-router-v1"]["model_type"] == "路由模型"


async def test_no_plan_is_400_for_the_list_of_models_too() -> None:
    transport = httpx.ASGITransport(Sandbox(subscription=False).app)
    async with httpx.AsyncClient(transport=transport, headers=auth()) as client:
        response = await client.get("http://sandbox/step_plan/v1/models")
    assert error(response) == (400, "request_params_invalid")


@BOTH
async def test_the_router_ignores_effort_and_limits_max_tokens(path: str) -> None:
    async def send(**fields: Any) -> httpx.Response:
        return await ask(Sandbox(), path, body_for(path, model="step-router-v1", **fields))

    efforts = [{}, *({"reasoning_effort": e, "output_config": {"effort": e}} for e in ("low", "high", ["low"]))]
    assert len({(await send(**effort)).text for effort in efforts}) == 1
    assert (await send(max_tokens=250_000)).status_code == 200
    assert error(await send(max_tokens=250_001)) == (400, "input_invalid")


async def test_step_5_sees_images_and_videos() -> None:
    video = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}
    asked = [{"role": "user", "content": [IMAGE, video]}]
    assert (await ask(Sandbox(), CHAT, chat(model="step-5-preview", messages=asked))).status_code == 200
    assert error(await ask(Sandbox(), CHAT, chat(model="step-3.5-flash", messages=asked))) == (400, "input_invalid")


def test_count_tokens(plan: Sandbox) -> None:
    body = chat("How long is this?")
    counted = post(plan, f"{MESSAGES}/count_tokens", body).json()
    assert counted == {"input_tokens": post(plan, MESSAGES, {**body, "max_tokens": 9}).json()["usage"]["input_tokens"]}
    assert post(plan, f"{MESSAGES}/count_tokens", {"model": "step-3.7-flash"}).status_code == 400
    assert post(plan, f"{MESSAGES}/count_tokens", chat(model="gpt")).status_code == 404


@BOTH
async def test_a_refused_request_takes_no_turn(path: str) -> None:
    plan = Sandbox([Turn(text="Hello.")])
    assert (await ask(plan, path, body_for(path, temperature=3))).status_code == 400
    assert plan.pending == (Turn(text="Hello."),)
    assert len(plan.requests) == 1
