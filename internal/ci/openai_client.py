"""Black-box checks of a docent server with the official Python client: openai_client.py BASE_URL MODEL

BASE_URL ends in /v1. The model may say anything, but has to say more than a few tokens.
"""

import json
import sys
import urllib.error
import urllib.request

import openai

BASE, MODEL = sys.argv[1:]
client = openai.OpenAI(base_url=BASE, api_key="none", max_retries=0, timeout=120)
ASK = [{"role": "user", "content": "When is the exam?"}]
GOES_ON = {"ignore_eos": True}  # a tiny random model may end at once


def chat(messages=ASK, max_tokens=16, temperature=0, extra_body=GOES_ON, **options):
    return client.chat.completions.create(
        model=MODEL, messages=messages, max_tokens=max_tokens, temperature=temperature, extra_body=extra_body, **options
    )


def text(answer, choice=0):
    return answer.choices[choice].message.content


def refused(error, code, param, **options):
    """The call must fail with that class, code and, unless None, param, and its body be the error object."""
    try:
        client.chat.completions.create(**{"model": MODEL, "messages": ASK, **options})
    except error as e:
        assert type(e) is error, type(e)
        assert e.code == code and (param is None or e.param == param), (e.code, e.param, e.message)
        assert e.body["status"] == e.status_code and e.body["path"].endswith("/chat/completions")
        assert e.type and e.body["message"] and isinstance(e.body["details"], list)
        assert e.request_id == e.body["request_id"]
        return e
    raise AssertionError(f"accepted {options}")


def raw(method, path, body=None, content_type="application/json"):
    """Status, headers and decoded body of a request that the client would not send."""
    request = urllib.request.Request(BASE + path, data=body, method=method, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as r:
            return r.status, r.headers, json.load(r)
    except urllib.error.HTTPError as e:
        return e.code, e.headers, json.load(e)


def check_models():
    models = client.models.list().data
    assert MODEL in [m.id for m in models], models
    one = client.models.retrieve(MODEL)
    assert one.id == MODEL and one.object == "model" and one.owned_by == "docent" and one.created > 0
    try:
        client.models.retrieve("nobody/knows-me")
    except openai.NotFoundError as e:
        assert e.code == "model_not_found"
    else:
        raise AssertionError("found a model that is not there")


def check_health():
    with urllib.request.urlopen(BASE.removesuffix("/v1") + "/health", timeout=60) as r:
        body = json.load(r)
    assert body["ready"] is True and body["status"] in ("ok", "degraded"), body


def check_answer():
    response = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=ASK, max_tokens=9, temperature=0, extra_body=GOES_ON
    )
    answer, body = response.parse(), json.loads(response.text)
    assert answer.id.startswith("chatcmpl-") and answer.object == "chat.completion" and answer.model == MODEL
    assert answer.system_fingerprint.startswith("fp_")
    choice = body["choices"][0]
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] == "length"
    assert {"logprobs", "finish_reason", "index", "message"} <= choice.keys() and "refusal" in choice["message"]
    usage = answer.usage
    assert usage.completion_tokens == 9 and usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert body["latency"]["total_ms"] > 0 and response.headers["x-request-id"]


def check_greedy_repeats():
    assert text(chat()) == text(chat())


def check_stream():
    whole = chat()
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert len({(c.id, c.created, c.model, c.system_fingerprint) for c in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    *body, last = chunks
    assert last.choices == [] and last.usage == whole.usage
    assert all(c.usage is None for c in body)
    assert [c.choices[0].finish_reason for c in body] == [None] * (len(body) - 1) + [whole.choices[0].finish_reason]
    assert "".join(c.choices[0].delta.content or "" for c in body) == text(whole)
    assert len(body) > 3, "the answer came at once"


def check_leaving_a_stream():
    with chat(max_tokens=64, stream=True) as stream:
        next(iter(stream))
    assert text(chat(max_tokens=4)) is not None


def check_seed():
    def say(seed):
        return text(chat(temperature=1, seed=seed, max_tokens=24))

    assert say(7) == say(7)
    assert say(7) != say(8)


def check_choices():
    both = chat(temperature=1, seed=7, n=2)
    assert [c.index for c in both.choices] == [0, 1]
    assert text(both, 0) == text(chat(temperature=1, seed=7)) and text(both, 1) == text(chat(temperature=1, seed=8))
    assert both.usage.completion_tokens == 32
    parts = ["", ""]
    for c in chat(temperature=1, seed=7, n=2, stream=True):
        parts[c.choices[0].index] += c.choices[0].delta.content or ""
    assert parts == [text(both, 0), text(both, 1)]


def check_stop():
    whole = text(chat(max_tokens=32))
    stop = whole[len(whole) // 2 :][:3]
    cut = chat(max_tokens=32, stop=["never said, surely", stop])
    assert text(cut) == whole[: whole.index(stop)] and cut.choices[0].finish_reason == "stop"
    streamed = "".join(c.choices[0].delta.content or "" for c in chat(max_tokens=32, stop=stop, stream=True))
    assert streamed == text(cut)


def check_token_limits():
    assert chat(max_tokens=30, max_completion_tokens=3).usage.completion_tokens == 3
    response = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=ASK, max_tokens=10**6, temperature=0, stop=["a", "e", "i", "o", "u", " "]
    )
    assert response.headers["x-docent-clamped"].startswith("max_tokens=")


def check_logprobs():
    answer = chat(logprobs=True, top_logprobs=3)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == 16 and b"".join(bytes(t.bytes) for t in tokens).decode() == text(answer)
    for t in tokens:
        assert t.logprob <= 0 and len(t.top_logprobs) == 3
        assert t.top_logprobs[0].logprob == t.logprob == max(x.logprob for x in t.top_logprobs)  # greedy


def check_safeguards():
    answer = chat(max_tokens=32, logprobs=True, extra_body={"no_repeat_ngram_size": 2, "repetition_penalty": 1.2, **GOES_ON})
    tokens = [bytes(t.bytes) for t in answer.choices[0].logprobs.content]
    pairs = list(zip(tokens, tokens[1:]))
    assert len(set(pairs)) == len(pairs), pairs


def check_messages():
    talk = [
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": "The exam is in June."},
        {"role": "assistant", "content": "Hello."},
        {"role": "developer", "content": "Be brief."},
        *ASK,
    ]
    sorted_talk = [{"role": "system", "content": "The exam is in June.\n\nBe brief."}, talk[0], talk[2], *ASK]
    assert text(chat(talk)) == text(chat(sorted_talk)) != text(chat())
    parts = [{"role": "user", "content": [{"type": "text", "text": "When is "}, {"type": "text", "text": "the exam?"}]}]
    assert text(chat(parts)) == text(chat())


def check_invalid_fields():
    invalid = openai.UnprocessableEntityError
    refused(invalid, "validation_error", "temperature", temperature=5)
    refused(invalid, "validation_error", "messages", messages=[])
    refused(invalid, "validation_error", "messages[0].role", messages=[{"role": "pirate", "content": "Arr"}, *ASK])
    refused(invalid, "validation_error", "max_tokens", max_tokens=0)
    refused(invalid, "validation_error", "n", n=9)
    refused(invalid, "validation_error", "seed", extra_body={"seed": "7"})
    refused(invalid, "unsupported_parameter", "prediction", prediction={"type": "content", "content": "x"})
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    refused(invalid, "unsupported_content", "messages[0].content[0]", messages=image)
    e = refused(invalid, "validation_error", None, temperature=5, top_p=2, max_tokens=2.5)
    fields = [d["field"] for d in e.body["details"]]
    assert sorted(fields) == ["max_tokens", "temperature", "top_p"] and e.param == fields[0], e.body


def check_other_refusals():
    refused(openai.NotFoundError, "model_not_found", "model", model="nobody/knows-me")
    refused(openai.NotFoundError, "model_not_found", "model", model="nobody/knows-me", stream=True)
    long = [{"role": "user", "content": "exam " * 20000}]
    refused(openai.BadRequestError, "context_length_exceeded", None, messages=long)
    huge = [{"role": "user", "content": "x" * (2 << 20)}]
    try:
        client.chat.completions.create(model=MODEL, messages=huge)
    except openai.APIStatusError as e:
        assert e.status_code == 413 and e.code == "request_too_large", e
    else:
        raise AssertionError("accepted 2 MiB")


def check_unknown_field():
    response = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=ASK, max_tokens=1, extra_body={"made_up": 1}
    )
    assert "made_up" in response.headers["x-docent-ignored"]


def check_completions():
    def complete(prompt="The exam is", **options):
        return client.completions.create(model=MODEL, prompt=prompt, temperature=0, **{"max_tokens": 8, "extra_body": GOES_ON, **options})

    one = complete(logprobs=2)
    assert one.object == "text_completion" and one.choices[0].finish_reason == "length" and one.usage.completion_tokens == 8
    lp = one.choices[0].logprobs
    # An entry for each token that has text: ignore_eos lets special ones through, which have none.
    assert 0 < len(lp.tokens) == len(lp.token_logprobs) == len(lp.top_logprobs) == len(lp.text_offset) <= 8
    chunks = list(complete(stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].text for c in chunks[:-1]) == one.choices[0].text
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 8
    two = complete(["The exam is", "Hello"], n=2)
    assert [c.index for c in two.choices] == [0, 1, 2, 3]
    assert two.choices[0].text == two.choices[1].text == one.choices[0].text != two.choices[2].text
    echo = complete(echo=True, logprobs=0)
    assert echo.choices[0].text == "The exam is" + one.choices[0].text
    assert echo.choices[0].logprobs.token_logprobs[0] is None and "".join(echo.choices[0].logprobs.tokens).startswith("The exam is")
    for options in [{"suffix": "x"}, {"best_of": 2}]:
        try:
            complete(**options)
        except openai.UnprocessableEntityError as e:
            assert e.code == "unsupported_parameter" and e.param in options
        else:
            raise AssertionError(options)


def check_embeddings():
    def embed(text, **options):
        return client.embeddings.create(model=MODEL, input=text, **options)

    answer = embed(["When is the exam?", "Hello"])
    a, b = (d.embedding for d in answer.data)
    assert [d.index for d in answer.data] == [0, 1] and len(a) == len(b) and a != b
    assert abs(sum(x * x for x in a) - 1) < 1e-3 and answer.usage.total_tokens > 0
    plain = embed("When is the exam?", encoding_format="float").data[0].embedding
    assert max(abs(x - y) for x, y in zip(a, plain)) < 1e-4
    embed("x", dimensions=len(a))
    try:
        embed("x", dimensions=len(a) + 1)
    except openai.UnprocessableEntityError as e:
        assert e.param == "dimensions"
    else:
        raise AssertionError("other dimensions")


def check_responses():
    options = {"model": MODEL, "input": "When is the exam?", "temperature": 0, "max_output_tokens": 12, "extra_body": GOES_ON}
    whole = client.responses.create(**options)
    assert whole.status == "incomplete" and whole.incomplete_details.reason == "max_output_tokens"
    assert whole.output_text == text(chat(max_tokens=12)) and whole.usage.output_tokens == 12
    events = list(client.responses.create(stream=True, **options))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.incomplete"
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    # The client's own helper wants a complete answer.
    form = {"format": {"type": "json_schema", "name": "exam", "schema": SCHEMA}}
    with client.responses.stream(model=MODEL, input="When is the exam?", text=form, max_output_tokens=200) as stream:
        final = stream.get_final_response()
    assert final.status == "completed"
    fits(final.output_text)
    for refusal in [{"previous_response_id": "resp_1"}, {"store": True}, {"background": True}]:
        try:
            client.responses.create(**options, **refusal)
        except openai.UnprocessableEntityError as e:
            assert e.param in refusal, e
        else:
            raise AssertionError(refusal)


SCHEMA = {
    "type": "object",
    "properties": {"day": {"enum": ["monday", "friday"]}, "room": {"type": "integer", "minimum": 1, "maximum": 40}},
    "required": ["day", "room"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "set_exam", "description": "sets the exam", "parameters": SCHEMA}}


def fits(value):
    value = json.loads(value)
    assert value["day"] in ("monday", "friday") and 1 <= value["room"] <= 40 and len(value) == 2, value


def check_formats():
    form = {"type": "json_schema", "json_schema": {"name": "exam", "schema": SCHEMA, "strict": True}}
    for seed in range(3):
        answer = chat(max_tokens=200, temperature=1, seed=seed, response_format=form)
        assert answer.choices[0].finish_reason == "stop"
        fits(text(answer))
    answer = chat(max_tokens=200, response_format={"type": "json_object"})
    assert text(answer).startswith("{") and (answer.choices[0].finish_reason == "length" or json.loads(text(answer)) is not None)
    bad = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"contains": {}}}}}}
    e = refused(openai.UnprocessableEntityError, "unsupported_schema", None, response_format=bad)
    assert e.param.startswith("response_format.json_schema.schema"), e.param


def check_forced_calls():
    for choice in ["required", {"type": "function", "function": {"name": "set_exam"}}]:
        answer = chat(max_tokens=300, tools=[TOOL], tool_choice=choice)
        call = answer.choices[0].message.tool_calls[0]
        assert answer.choices[0].finish_reason == "tool_calls" and call.function.name == "set_exam" and call.id.startswith("call_")
        fits(call.function.arguments)
        pieces = [c.choices[0].delta.tool_calls[0] for c in chat(max_tokens=300, tools=[TOOL], tool_choice=choice, stream=True) if c.choices[0].delta.tool_calls]
        assert pieces[0].function.name == "set_exam" and pieces[0].function.arguments == "" and pieces[0].id
        assert "".join(p.function.arguments for p in pieces) == call.function.arguments
    refused(openai.UnprocessableEntityError, "validation_error", "tool_choice", tool_choice="required")
    assert chat(tools=[TOOL]).choices[0].message.role == "assistant"  # docent tells of them where a template knows none
    assert text(chat(tools=[TOOL], tool_choice="none")) == text(chat())


def check_documents():
    base = BASE.removesuffix("/v1")
    with urllib.request.urlopen(base + "/openapi.json", timeout=60) as r:
        spec = json.load(r)
    assert spec["openapi"].startswith("3.1") and "/v1/chat/completions" in spec["paths"]


def check_raw_requests():
    for method, path, body, content_type, status, code in [
        ("POST", "/chat/completions", b"{", "application/json", 400, "invalid_json"),
        ("POST", "/chat/completions", b"", "application/json", 400, "invalid_json"),
        ("POST", "/chat/completions", b'{"model":"a","model":"b"}', "application/json", 400, "invalid_json"),
        ("POST", "/chat/completions", b"[]", "application/json", 422, "validation_error"),
        ("POST", "/chat/completions", b"{}", "text/plain", 415, "unsupported_media_type"),
        ("GET", "/chat/completions", None, "application/json", 405, "method_not_allowed"),
        ("GET", "/nothing", None, "application/json", 404, "route_not_found"),
    ]:
        got, headers, answer = raw(method, path, body, content_type)
        error = answer["error"]
        assert (got, error["code"], error["status"]) == (status, code, status), (method, path, body, got, error)
        assert headers["X-Request-Id"] == error["request_id"]
        assert status != 405 or headers["Allow"] == "POST"


failed = 0
checks = {name: f for name, f in list(globals().items()) if name.startswith("check_")}
for name, check in checks.items():
    try:
        check()
        print("ok  ", name)
    except Exception as e:
        failed += 1
        line = e.__traceback__.tb_next.tb_lineno if e.__traceback__.tb_next else 0
        print(f"FAIL {name}:{line} {type(e).__name__}: {e}")
print(f"Python client {openai.__version__}: {len(checks) - failed} passed, {failed} failed")
sys.exit(failed > 0)
