"use strict";
const api = document.body.dataset.prefix + "/v1";
const kept = "docent conversations of " + api; // in the browser alone, never the key
const mostKept = 50;
const $ = (id) => document.getElementById(id);
const markdown = window.markdownit({ html: false, linkify: false, breaks: true }).disable("image");
markdown.renderer.rules.link_open = (tokens, i, options, env, self) => {
  tokens[i].attrSet("target", "_blank");
  tokens[i].attrSet("rel", "noopener noreferrer");
  return self.renderToken(tokens, i, options);
};

let turns = []; // of the conversation that is shown: role, content, and of an answer thought and note
let id = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
let running = null;

function headers() {
  const h = { "Content-Type": "application/json" };
  if ($("key") && $("key").value) h.Authorization = "Bearer " + $("key").value;
  return h;
}

async function listModels() {
  const response = await fetch(api + "/models", { headers: headers() }).catch(() => null);
  if (!response || !response.ok) return;
  const ids = (await response.json()).data.map((m) => m.id);
  const chosen = $("model").value; // now: somebody may have chosen while the list came
  if (ids.length) $("model").replaceChildren(...ids.map((id) => new Option(id, id, false, id === chosen)));
}

// Conversations.

function conversations() {
  try {
    return JSON.parse(localStorage.getItem(kept)) || [];
  } catch {
    return [];
  }
}

function keep() {
  const others = conversations().filter((c) => c.id !== id);
  if (turns.length) others.unshift({ id, model: $("model").value, system: $("system").value, turns });
  try {
    localStorage.setItem(kept, JSON.stringify(others.slice(0, mostKept)));
  } catch {} // full, or not allowed: this page still has it
  listConversations();
}

function listConversations() {
  const list = conversations();
  const title = (c) => c.turns[0].content.replace(/\s+/g, " ").slice(0, 60);
  const options = list.map((c) => new Option(title(c), c.id, false, c.id === id));
  if (!list.some((c) => c.id === id)) options.unshift(new Option("New conversation", id, true, true));
  $("conversations").replaceChildren(...options);
}

function begin(conversation) {
  if (running) running.abort();
  ({ id, turns } = conversation || { id: String(Math.random()), turns: [] });
  if (conversation) {
    $("system").value = conversation.system;
    if ([...$("model").options].some((o) => o.value === conversation.model)) $("model").value = conversation.model;
  }
  $("talk").replaceChildren();
  turns.forEach(show);
  say("");
  listConversations();
  $("question").focus();
}

// What is shown.

function say(text) {
  $("speed").textContent = text || "\u00a0";
}

function button(label, name, act) {
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = label;
  b.setAttribute("aria-label", name);
  b.addEventListener("click", act);
  return b;
}

// show appends a turn and returns what is written to.
function show(turn) {
  const message = document.createElement("article");
  message.className = "message " + turn.role;
  message.setAttribute("aria-label", { user: "You", assistant: "Answer", error: "Error" }[turn.role]);
  const text = document.createElement("div");
  text.className = "turn " + turn.role;
  message.append(text);
  message.text = text;
  $("talk").append(message);
  fill(message, turn);
  if (turn.role !== "error") act(message, turn);
  message.scrollIntoView({ block: "end" });
  return message;
}

function fill(message, turn) {
  if (turn.role !== "assistant") {
    message.text.textContent = turn.content;
    return;
  }
  message.text.innerHTML = markdown.render(turn.content); // which escapes HTML and refuses links that are scripts
  for (const table of message.text.querySelectorAll("pre, table")) table.tabIndex = 0; // they scroll
  if (turn.thought) {
    if (!message.thought) {
      message.thought = document.createElement("details");
      message.thought.className = "thought soft";
      message.thought.innerHTML = "<summary>What the model thought</summary><div></div>";
      message.prepend(message.thought);
    }
    message.thought.lastChild.textContent = turn.thought;
  }
  if (turn.note && !message.note) {
    message.note = document.createElement("p");
    message.note.className = "note soft";
    message.text.after(message.note);
  }
  if (message.note) message.note.textContent = turn.note || "";
}

function act(message, turn) {
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(button("Copy", "Copy this text", async () => {
    try {
      await navigator.clipboard.writeText(turn.content);
      say("Copied.");
    } catch {
      getSelection().selectAllChildren(message.text);
      say("The browser does not let pages copy here: the text is selected.");
    }
  }));
  if (turn.role === "user") {
    tools.append(button("Edit", "Edit this question and ask again", () => {
      back(turn);
      $("question").value = turn.content;
      $("question").focus();
    }));
  } else {
    tools.append(button("Retry", "Retry: answer this question again", () => {
      back(turn);
      answer();
    }));
  }
  message.append(tools);
}

// back takes a turn and all behind it out of the conversation.
function back(turn) {
  if (running) running.abort();
  turns = turns.slice(0, turns.indexOf(turn)); // a new list, which the answer that was cut off does not write to
  $("talk").replaceChildren();
  turns.forEach(show);
  keep();
}

// Answers.

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let held = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The answer broke off: the server or the network stopped. Retry asks again.");
    held += value;
    for (let end; (end = held.indexOf("\n\n")) >= 0; held = held.slice(end + 2)) {
      const frame = held.slice(0, end);
      if (!frame.startsWith("data: ")) continue;
      if (frame === "data: [DONE]") return;
      yield JSON.parse(frame.slice(6));
    }
  }
}

// inWords is what an error means to somebody who only wants to chat.
function inWords(error, response) {
  const later = response && response.headers.get("Retry-After");
  const again = later ? "Try again in " + later + " s." : "Try again a little later.";
  const words = {
    invalid_api_key: "This server wants a key: type it into the field Key, and ask again.",
    model_not_allowed: "Your key may not use this model: choose another one.",
    context_length_exceeded: "The conversation has become too long for this model. Begin a new one, or edit an earlier question.",
    rate_limit_exceeded: "That were too many requests at once. " + again,
    queue_full: "The server is busy. " + again,
    queue_timeout: "The server is busy, and the question waited too long. " + again,
    shutting_down: "The server is about to stop. " + again,
    model_unavailable: "The model cannot be loaded just now. " + again,
  }[error.code];
  return words || (response && response.status >= 500 ? "The server has a fault: " + error.message : error.message);
}

async function ask(body, signal) {
  let response;
  try {
    response = await fetch(api + "/chat/completions", { method: "POST", headers: headers(), signal, body: JSON.stringify(body) });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("The server cannot be reached. Is it running, and the network up?");
  }
  if (response.ok) return response;
  const fault = await response.json().catch(() => null);
  throw new Error(fault && fault.error ? inWords(fault.error, response) : "Something between this page and the server refused the question (status " + response.status + ").");
}

async function answer() {
  const own = running = new AbortController();
  const mine = turns; // "New" may begin another conversation meanwhile
  const system = $("system").value.trim();
  const body = {
    model: $("model").value, stream: true, stream_options: { include_usage: true },
    messages: (system ? [{ role: "system", content: system }] : []).concat(mine.map(({ role, content }) => ({ role, content }))),
  };
  if ($("temperature").value !== "") body.temperature = Number($("temperature").value);
  if ($("length").value !== "") body.max_tokens = Number($("length").value);
  $("send").disabled = true;
  $("stop").disabled = false;
  $("talk").setAttribute("aria-busy", "true"); // to be read out when it is whole
  say("reading the question …");
  const turn = { role: "assistant", content: "" };
  const message = show(turn);
  let count = 0, began = 0, due = false;
  const paint = () => {
    due = false;
    const follow = innerHeight + scrollY >= document.body.scrollHeight - 60; // unless the reader has scrolled up
    fill(message, turn);
    if (follow) scrollTo(0, document.body.scrollHeight);
  };
  try {
    const response = await ask(body, own.signal);
    for await (const chunk of events(response.body)) {
      if (chunk.error) throw new Error(inWords(chunk.error));
      if (chunk.usage) say(chunk.latency.tokens_per_second.toFixed(1) + " tokens/s, " + chunk.usage.completion_tokens +
        " tokens, first after " + (chunk.latency.first_token_ms / 1000).toFixed(2) + " s");
      if (!chunk.choices.length) continue;
      const { delta, finish_reason } = chunk.choices[0];
      if (finish_reason === "length") turn.note = "The answer was cut off: it reached its limit. Settings has a greater length.";
      if (delta.reasoning_content) turn.thought = (turn.thought || "") + delta.reasoning_content;
      if (delta.content) turn.content += delta.content;
      if (!delta.content && !delta.reasoning_content) continue;
      began = began || performance.now();
      if (!due) requestAnimationFrame(paint);
      due = true;
      if (++count > 1) say(((count - 1) / (performance.now() - began) * 1000).toFixed(1) + " tokens/s");
    }
  } catch (e) {
    if (mine !== turns) {
      say("");
    } else if (e.name === "AbortError") {
      turn.note = "Stopped.";
      say("stopped after " + count + " tokens");
    } else {
      show({ role: "error", content: e.message });
      say("");
      if (!turn.content) { // a question that cannot be answered must not spoil those that follow
        const question = mine.pop();
        [...document.querySelectorAll(".message.user")].at(-1).remove();
        if (!$("question").value) $("question").value = question.content;
      }
    }
  } finally {
    if (turn.content || turn.thought) {
      mine.push(turn);
      paint();
    } else {
      message.remove();
    }
    if (mine === turns) keep();
    if (running === own) { // and no other answer has begun since
      running = null;
      $("send").disabled = false;
      $("stop").disabled = true;
      $("talk").setAttribute("aria-busy", "false");
      $("question").focus({ preventScroll: true });
    }
  }
}

$("ask").addEventListener("submit", (e) => {
  e.preventDefault();
  const question = $("question").value.trim();
  if (!question || running) return;
  $("question").value = "";
  for (const failed of document.querySelectorAll(".message.error")) failed.remove();
  const turn = { role: "user", content: question };
  turns.push(turn);
  show(turn);
  answer();
});
$("question").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("ask").requestSubmit();
  }
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && running) running.abort();
});
$("stop").addEventListener("click", () => running && running.abort());
$("clear").addEventListener("click", () => begin());
$("conversations").addEventListener("change", () => begin(conversations().find((c) => c.id === $("conversations").value)));
$("forget").addEventListener("click", () => {
  const others = conversations().filter((c) => c.id !== id);
  localStorage.setItem(kept, JSON.stringify(others));
  begin();
});
if ($("key")) $("key").addEventListener("change", listModels);
listConversations();
listModels();
