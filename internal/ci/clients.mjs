// Holds a server against the JavaScript libraries that people use: clients.mjs BASE_URL MODEL
//
// Each chats, streams, calls a tool in two steps, answers in a form, both together, and embeds. The model "fake" answers what
// fake_test.go says; of others only the form of the answers is known. DOCENT_NODE is a package.json beside which they are
// installed.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.DOCENT_NODE);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const [baseURL, model] = process.argv.slice(2);
const fake = model === "fake";
const prompt = "How warm is it in Bern?";
const limits = { temperature: 0, maxOutputTokens: 300, maxRetries: 0 };

const { generateText, streamText, embedMany, Output, stepCountIs, tool } = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { z } = await load("zod");

const weather = z.object({ city: z.enum(["Bern", "Oslo"]), degrees: z.number().int().min(0).max(40) }); // so that also a random model comes to an end
const said = (text) => assert(fake ? text === "It is 21 degrees in Bern." : typeof text === "string", text);
const formed = (value) => fake ? assert.deepEqual(value, { city: "Bern", degrees: 21 }) : weather.parse(value);

const openai = createOpenAI({ baseURL, apiKey: "none" });
const compatible = createOpenAICompatible({ name: "docent", baseURL, supportsStructuredOutputs: true });
const kinds = {
  "@ai-sdk/openai, chat completions": [openai.chat(model), openai.textEmbeddingModel(model)],
  "@ai-sdk/openai, responses": [openai.responses(model), openai.textEmbeddingModel(model)],
  "@ai-sdk/openai-compatible": [compatible(model), compatible.textEmbeddingModel(model)],
};
const providerOptions = { openai: { store: false } };

async function check([llm, embedder]) {
  const options = { model: llm, prompt, providerOptions, ...limits };
  said((await generateText(options)).text);
  let text = "";
  for await (const piece of streamText(options).textStream) text += piece;
  said(text);
  formed((await generateText({ ...options, output: Output.object({ schema: weather }) })).output);
  const { embeddings } = await embedMany({ model: embedder, values: ["a", "bc"], maxRetries: 0 });
  assert(embeddings.length === 2 && embeddings[0].length === embeddings[1].length);
  if (!fake) return;
  let asked = [];
  const tools = {
    weather: tool({ description: "the weather of a city", inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => asked.push(city) && "21 degrees" }),
  };
  const agent = { ...options, tools, stopWhen: stepCountIs(3) };
  said((await generateText(agent)).text);
  formed((await generateText({ ...agent, output: Output.object({ schema: weather }) })).output);
  text = "";
  for await (const piece of streamText(agent).textStream) text += piece;
  said(text);
  assert.deepEqual(asked, ["Bern", "Bern", "Bern"]);
}

let failed = 0;
for (const [name, models] of Object.entries(kinds)) {
  try {
    await check(models);
    console.log("ok     ", name);
  } catch (e) {
    failed++;
    console.log("FAIL   ", name, e.stack.split("\n").slice(0, 4).join(" | "), e.responseBody ?? "");
  }
}
console.log(`JavaScript clients of ${model}: ${Object.keys(kinds).length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
