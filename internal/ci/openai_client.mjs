// Black-box checks of a docent server with the official JavaScript client: openai_client.mjs BASE_URL MODEL
//
// DOCENT_NODE is a package.json beside which the client is installed.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { OpenAI } = createRequire(process.env.DOCENT_NODE)("openai");
const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0, timeout: 120_000 });
const messages = [{ role: "user", content: "When is the exam?" }];
const ask = (options, request) =>
  client.chat.completions.create(
    { model, messages, max_tokens: 16, temperature: 0, ignore_eos: true, ...options },
    request,
  );

const checks = {
  async models() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert(ids.includes(model), ids);
    assert.equal((await client.models.retrieve(model)).owned_by, "docent");
  },

  async answer() {
    const a = await ask();
    assert.equal(a.object, "chat.completion");
    assert.equal(a.choices[0].message.role, "assistant");
    assert.equal(a.choices[0].finish_reason, "length");
    assert.equal(a.usage.total_tokens, a.usage.prompt_tokens + 16);
  },

  async stream() {
    const whole = (await ask()).choices[0].message.content;
    let text = "", usage, ids = new Set();
    for await (const c of await ask({ stream: true, stream_options: { include_usage: true } })) {
      ids.add(c.id);
      text += c.choices[0]?.delta.content ?? "";
      usage = c.usage;
    }
    assert.equal(text, whole);
    assert.equal(ids.size, 1);
    assert.equal(usage.completion_tokens, 16);
  },

  async streamHelper() {
    const stream = client.chat.completions.stream({ model, messages, max_tokens: 16, temperature: 0, ignore_eos: true });
    assert.equal(await stream.finalContent(), (await ask()).choices[0].message.content);
  },

  async abort() {
    const stream = await ask({ stream: true, max_tokens: 64 });
    for await (const _ of stream) break;
    const gone = new AbortController();
    const pending = ask({ max_tokens: 64 }, { signal: gone.signal });
    gone.abort();
    await assert.rejects(pending, OpenAI.APIUserAbortError);
    await ask({ max_tokens: 1 });
  },

  async seedAndChoices() {
    const two = await ask({ temperature: 1, seed: 7, n: 2 });
    const one = await ask({ temperature: 1, seed: 8 });
    assert.equal(two.choices[1].message.content, one.choices[0].message.content);
    assert.notEqual(two.choices[0].message.content, one.choices[0].message.content);
  },

  async completionsAndEmbeddings() {
    const whole = await client.completions.create({ model, prompt: "The exam is", max_tokens: 8, temperature: 0, ignore_eos: true });
    let text = "";
    for await (const c of await client.completions.create({ model, prompt: "The exam is", max_tokens: 8, temperature: 0, ignore_eos: true, stream: true }))
      text += c.choices[0]?.text ?? "";
    assert.equal(text, whole.choices[0].text);
    const { data } = await client.embeddings.create({ model, input: ["a", "b"] });
    assert.equal(data.length, 2);
    assert(Math.abs(data[0].embedding.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3);
  },

  async responses() {
    const options = { model, input: "When is the exam?", max_output_tokens: 12, temperature: 0, ignore_eos: true };
    const whole = await client.responses.create(options);
    assert.equal(whole.status, "incomplete");
    let text = "", last;
    for await (const e of await client.responses.create({ ...options, stream: true })) {
      if (e.type === "response.output_text.delta") text += e.delta;
      last = e.type;
    }
    assert.equal(text, whole.output_text);
    assert.equal(last, "response.incomplete");
  },

  async tools() {
    const parameters = { type: "object", properties: { room: { type: "integer", minimum: 1, maximum: 9 } }, required: ["room"], additionalProperties: false };
    const tools = [{ type: "function", function: { name: "set_exam", parameters } }];
    const stream = client.chat.completions.stream({ model, messages, tools, tool_choice: "required", max_tokens: 200, temperature: 0 });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    assert.equal(finish_reason, "tool_calls");
    const { room } = JSON.parse(message.tool_calls[0].function.arguments);
    assert(room >= 1 && room <= 9, room);
  },

  async errors() {
    for (const [error, code, options] of [
      [OpenAI.NotFoundError, "model_not_found", { model: "nobody/knows-me" }],
      [OpenAI.UnprocessableEntityError, "validation_error", { temperature: 5 }],
      [OpenAI.UnprocessableEntityError, "validation_error", { messages: [], stream: true }],
      [OpenAI.UnprocessableEntityError, "unsupported_parameter", { prediction: { type: "content", content: "x" } }],
      [OpenAI.BadRequestError, "context_length_exceeded", { messages: [{ role: "user", content: "exam ".repeat(20000) }] }],
    ]) {
      await assert.rejects(ask(options), (e) => {
        assert(e instanceof error, e);
        assert.deepEqual([e.code, e.error.status], [code, e.status]);
        assert.equal(e.requestID, e.error.request_id);
        return true;
      });
    }
    const huge = [{ role: "user", content: "x".repeat(2 << 20) }];
    await assert.rejects(ask({ messages: huge }), { status: 413, code: "request_too_large" });
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log("ok  ", name);
  } catch (e) {
    failed++;
    console.log("FAIL", name, e);
  }
}
console.log(`JavaScript client: ${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
