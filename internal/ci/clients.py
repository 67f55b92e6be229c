"""Holds servers against the Python libraries that people use: clients.py BASE_URL MODEL [BASE_URL MODEL]...

Each chats, streams, calls a tool in two steps, answers in a form, does both together, and embeds, as far as it has that. The model
"fake" answers what fake_test.go says; of others only the form of the answers is known. internal/ci/clients.txt has the versions.
"""

import asyncio
import json
import logging
import os
import sys
import time
import traceback
import warnings
from typing import Annotated, Literal

os.environ |= {
    "OPENAI_API_KEY": "none",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is asked of others
    "LANGSMITH_TRACING": "false",
    "DO_NOT_TRACK": "1",
}
for proxy in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(proxy, None), os.environ.pop(proxy.upper(), None)

import openai
from pydantic import BaseModel, Field

PROMPT = "How warm is it in Bern?"
LIMITS = {"temperature": 0, "max_tokens": 300}


class Weather(BaseModel):
    city: Literal["Bern", "Oslo"]
    degrees: Annotated[int, Field(ge=0, le=40)]  # so that also a random model comes to an end


class Check:
    """What is asked of one library with one model. Names that begin with "fake_" need the model whose answers are known."""

    def __init__(self, base, model):
        self.base, self.model, self.fake, self.asked = base, model, model == "fake", []
        self.keys = {"base_url": base, "api_key": "none", "max_retries": 0, "timeout": 60}

    def weather(self, city: str) -> str:
        """The weather of a city."""
        self.asked.append(city)
        return "21 degrees"

    def said(self, text):
        assert text == "It is 21 degrees in Bern." if self.fake else isinstance(text, str), text

    def formed(self, value):
        if isinstance(value, str):
            value = Weather.model_validate_json(value)
        elif isinstance(value, dict):
            value = Weather.model_validate(value)
        assert isinstance(value, Weather), value
        assert not self.fake or value.model_dump() == {"city": "Bern", "degrees": 21}, value

    def called(self, times=1):
        assert self.asked == ["Bern"] * times, self.asked
        self.asked.clear()

    def embedded(self, vectors):
        assert len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) > 0


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
        "strict": True,
    },
}


class OpenAI(Check):
    def __init__(self, *args):
        super().__init__(*args)
        self.client = openai.OpenAI(**self.keys)
        self.ask = {"model": self.model, "messages": [{"role": "user", "content": PROMPT}], **LIMITS}

    def chat(self):
        self.said(self.client.chat.completions.create(**self.ask).choices[0].message.content)

    def stream(self):
        with self.client.chat.completions.stream(**self.ask) as stream:
            self.said(stream.get_final_completion().choices[0].message.content)

    def form(self):
        self.formed(self.client.chat.completions.parse(**self.ask, response_format=Weather).choices[0].message.parsed)

    def fake_tools(self, **form):
        ask = {**self.ask, "tools": [TOOL], **form}
        first = self.client.chat.completions.parse(**ask).choices[0].message
        call = first.tool_calls[0]
        result = self.weather(**json.loads(call.function.arguments))
        self.called()
        ask["messages"] = [*ask["messages"], first.model_dump(exclude_none=True, exclude={"parsed"}), {"role": "tool", "tool_call_id": call.id, "content": result}]
        return self.client.chat.completions.parse(**ask).choices[0].message

    def fake_both(self):
        self.formed(self.fake_tools(response_format=Weather).parsed)

    def embed(self):
        self.embedded([d.embedding for d in self.client.embeddings.create(model=self.model, input=["a", "bc"]).data])


class LangChain(Check):
    def __init__(self, *args):
        super().__init__(*args)
        from langchain_openai import ChatOpenAI

        self.llm = ChatOpenAI(model=self.model, **self.keys, **LIMITS)

    def chat(self):
        self.said(self.llm.invoke(PROMPT).content)

    def stream(self):
        self.said("".join(piece.content for piece in self.llm.stream(PROMPT)))

    def form(self):
        self.formed(self.llm.with_structured_output(Weather).invoke(PROMPT))
        self.formed(self.llm.with_structured_output(Weather, method="function_calling").invoke(PROMPT))

    def agent(self, **form):
        from langgraph.prebuilt import create_react_agent

        def weather(city: str) -> str:
            """The weather of a city."""
            return self.weather(city)

        return create_react_agent(self.llm, [weather], **form)

    def fake_tools(self):
        ask = {"messages": [("user", PROMPT)]}
        self.said(self.agent().invoke(ask)["messages"][-1].content)
        self.called()
        pieces = [p for p, meta in self.agent().stream(ask, stream_mode="messages") if meta["langgraph_node"] == "agent"]
        self.said("".join(p.content for p in pieces if isinstance(p.content, str)))
        self.called()

    def fake_both(self):
        self.formed(self.agent(response_format=Weather).invoke({"messages": [("user", PROMPT)]})["structured_response"])
        self.called()

    def embed(self):
        from langchain_openai import OpenAIEmbeddings

        self.embedded(OpenAIEmbeddings(model=self.model, check_embedding_ctx_length=False, **self.keys).embed_documents(["a", "bc"]))


class LlamaIndex(Check):
    def __init__(self, *args):
        super().__init__(*args)
        from llama_index.llms.openai_like import OpenAILike

        self.where = {"api_base": self.base, "api_key": "none", "max_retries": 0}
        self.llm = OpenAILike(model=self.model, is_chat_model=True, is_function_calling_model=True, context_window=1000, **self.where, **LIMITS)

    def chat(self):
        self.said(self.llm.complete(PROMPT).text)

    def stream(self):
        self.said("".join(piece.delta for piece in self.llm.stream_complete(PROMPT)))

    def form(self):
        from llama_index.core.prompts import PromptTemplate

        self.formed(self.llm.structured_predict(Weather, PromptTemplate(PROMPT)))

    def agent(self, **form):
        from llama_index.core.agent.workflow import FunctionAgent

        def weather(city: str) -> str:
            """The weather of a city."""
            return self.weather(city)

        async def run():
            return await FunctionAgent(tools=[weather], llm=self.llm, **form).run(PROMPT)

        return asyncio.run(run())

    def fake_tools(self):
        self.said(self.agent().response.content)
        self.called()

    def fake_both(self):
        self.formed(self.agent(output_cls=Weather).structured_response)
        self.called()

    def embed(self):
        from llama_index.embeddings.openai_like import OpenAILikeEmbedding

        self.embedded(OpenAILikeEmbedding(model_name=self.model, **self.where).get_text_embedding_batch(["a", "bc"]))


class PydanticAI(Check):
    def agent(self, tools=(), **form):
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client = openai.AsyncOpenAI(**self.keys)
        return Agent(OpenAIChatModel(self.model, provider=OpenAIProvider(openai_client=client)), tools=list(tools), model_settings=LIMITS, **form)

    def tool(self):
        def weather(city: str) -> str:
            """The weather of a city."""
            return self.weather(city)

        return weather

    def chat(self):
        self.said(asyncio.run(self.agent().run(PROMPT)).output)

    async def streamed(self, agent):
        async with agent.run_stream(PROMPT) as result:
            return "".join([piece async for piece in result.stream_text(delta=True)])

    def stream(self):
        self.said(asyncio.run(self.streamed(self.agent())))

    def form(self):
        from pydantic_ai import NativeOutput

        self.formed(asyncio.run(self.agent(output_type=NativeOutput(Weather)).run(PROMPT)).output)
        self.formed(asyncio.run(self.agent(output_type=Weather).run(PROMPT)).output)  # by a function

    def fake_tools(self):
        self.said(asyncio.run(self.agent([self.tool()]).run(PROMPT)).output)
        self.said(asyncio.run(self.streamed(self.agent([self.tool()]))))
        self.called(2)

    def fake_both(self):
        from pydantic_ai import NativeOutput

        self.formed(asyncio.run(self.agent([self.tool()], output_type=NativeOutput(Weather)).run(PROMPT)).output)
        self.called()


class Agents(Check):
    responses = False

    def agent(self, tools=(), **form):
        from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel

        client = openai.AsyncOpenAI(**self.keys)
        kind = OpenAIResponsesModel if self.responses else OpenAIChatCompletionsModel
        settings = ModelSettings(temperature=0, max_tokens=300)
        return Agent("weatherman", model=kind(self.model, openai_client=client), tools=list(tools), model_settings=settings, **form)

    def run(self, *args, **form):
        from agents import Runner

        async def run():
            return (await Runner.run(self.agent(*args, **form), PROMPT)).final_output

        return asyncio.run(run())

    def streamed(self, *args):
        from agents import Runner

        async def run():
            result, text = Runner.run_streamed(self.agent(*args), PROMPT), ""
            async for event in result.stream_events():
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                    text += event.data.delta
            assert text == result.final_output, (text, result.final_output)
            return text

        return asyncio.run(run())

    def tool(self):
        from agents import function_tool

        @function_tool
        def weather(city: str) -> str:
            """The weather of a city."""
            return self.weather(city)

        return weather

    def chat(self):
        self.said(self.run())

    def stream(self):
        self.said(self.streamed())

    def form(self):
        self.formed(self.run(output_type=Weather))

    def fake_tools(self):
        self.said(self.run([self.tool()]))
        self.said(self.streamed([self.tool()]))
        self.called(2)

    def fake_both(self):
        self.formed(self.run([self.tool()], output_type=Weather))
        self.called()


class AgentsResponses(Agents):
    responses = True


class Instructor(Check):
    def form(self):
        import instructor

        client = openai.OpenAI(**self.keys)
        for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
            ask = {"model": self.model, "messages": [{"role": "user", "content": PROMPT}], "response_model": Weather, "max_retries": 1, **LIMITS}
            self.formed(instructor.from_openai(client, mode=mode).chat.completions.create(**ask))

    def stream(self):
        import instructor

        ask = {"model": self.model, "messages": [{"role": "user", "content": PROMPT}], "response_model": Weather, "max_retries": 1, **LIMITS}
        *_, last = instructor.from_openai(openai.OpenAI(**self.keys)).chat.completions.create_partial(**ask)
        self.formed(last.model_dump())


class LiteLLM(Check):
    def complete(self, messages=None, **options):
        import litellm

        litellm.telemetry = False
        messages = messages or [{"role": "user", "content": PROMPT}]
        return litellm.completion(
            model="openai/" + self.model, api_base=self.base, api_key="none", messages=messages, num_retries=0, timeout=60, **LIMITS, **options
        )

    def chat(self):
        self.said(self.complete().choices[0].message.content)

    def stream(self):
        self.said("".join(c.choices[0].delta.content or "" for c in self.complete(stream=True)))

    def form(self):
        self.formed(self.complete(response_format=Weather).choices[0].message.content)

    def fake_tools(self, **form):
        first = self.complete(tools=[TOOL], **form).choices[0].message
        call = first.tool_calls[0]
        result = self.weather(**json.loads(call.function.arguments))
        self.called()
        messages = [{"role": "user", "content": PROMPT}, first, {"role": "tool", "tool_call_id": call.id, "content": result}]
        return self.complete(messages, tools=[TOOL], **form).choices[0].message.content

    def fake_both(self):
        self.formed(self.fake_tools(response_format=Weather))

    def embed(self):
        import litellm

        answer = litellm.embedding(model="openai/" + self.model, api_base=self.base, api_key="none", input=["a", "bc"], timeout=60)
        self.embedded([d["embedding"] for d in answer.data])


warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)  # event loops that end before their connections
failed = 0
servers = list(zip(sys.argv[1::2], sys.argv[2::2]))
for library in (OpenAI, LangChain, LlamaIndex, PydanticAI, Agents, AgentsResponses, Instructor, LiteLLM):
    for base, model in servers:
        began, done = time.monotonic(), []
        try:
            check = library(base, model)
            for name in ("chat", "stream", "form", "fake_tools", "fake_both", "embed"):
                step = getattr(check, name, None)
                if step and (check.fake or not name.startswith("fake_")):
                    done.append(name.removeprefix("fake_"))
                    step()
            print(f"ok      {library.__name__} with {model}: {' '.join(done)} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL    {library.__name__} with {model}, {done[-1] if done else 'import'}\n{traceback.format_exc(limit=-4)}", flush=True)
print(f"Python clients: {failed} failed")
sys.exit(failed > 0)
