package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
)

// browser is a page of a headless Chromium, driven over its debugging protocol.
type browser struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
	id   int
}

// openBrowser starts the Chromium that DOCENT_CHROMIUM or the path has, or skips the test.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	program := os.Getenv("DOCENT_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell"} {
		if found, err := exec.LookPath(name); program == "" && err == nil {
			program = found
		}
	}
	if program == "" {
		t.Skip("no Chromium: DOCENT_CHROMIUM names none, and there is none in the path")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", "about:blank")
	cmd.WaitDelay = 5 * time.Second
	errors, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		select { // its children, which end a little later, write to the folder that is to be removed
		case <-ended:
		case <-time.After(10 * time.Second):
		}
		_ = cmd.Wait()
	})
	var address *url.URL
	lines := bufio.NewScanner(errors)
	for address == nil && lines.Scan() {
		if text := regexp.MustCompile(`ws://\S+`).FindString(lines.Text()); text != "" {
			address, err = url.Parse(text)
			require.NoError(t, err)
		}
	}
	require.NotNil(t, address, "%s did not start: %v", program, lines.Err())
	go func() { // it must not block on a full pipe, which is at its end when no process holds it any more
		_, _ = io.Copy(io.Discard, errors)
		close(ended)
	}()

	response, err := http.Get("http://" + address.Host + "/json/list")
	require.NoError(t, err)
	defer response.Body.Close()
	var pages []struct{ Type, WebSocketDebuggerURL string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&pages))
	for _, p := range pages {
		if p.Type == "page" {
			conn, _, err := websocket.Dial(ctx, p.WebSocketDebuggerURL, nil)
			require.NoError(t, err)
			conn.SetReadLimit(16 << 20)
			t.Cleanup(func() { conn.CloseNow() })
			return &browser{t: t, ctx: ctx, conn: conn}
		}
	}
	require.Fail(t, "the browser has no page")
	return nil
}

// do sends a command of the protocol and decodes its result.
func (b *browser) do(method string, params map[string]any, result any) {
	b.t.Helper()
	b.id++
	require.NoError(b.t, wsjson.Write(b.ctx, b.conn, map[string]any{"id": b.id, "method": method, "params": params}))
	for {
		var message struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		require.NoError(b.t, wsjson.Read(b.ctx, b.conn, &message))
		if message.ID != b.id {
			continue // an event
		}
		require.Nil(b.t, message.Error)
		require.NoError(b.t, json.Unmarshal(message.Result, result))
		return
	}
}

// eval runs JavaScript in the page and returns its value.
func (b *browser) eval(script string) any {
	b.t.Helper()
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.do("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &out)
	if e := out.ExceptionDetails; e != nil {
		require.Fail(b.t, "JavaScript", "%s %s", e.Text, e.Exception.Description)
	}
	return out.Result.Value
}

// wait waits until an expression is true.
func (b *browser) wait(condition string) {
	b.t.Helper()
	script := fmt.Sprintf(`new Promise((yes) => { const look = () => (%s) ? yes(true) : setTimeout(look, 10); look(); })`, condition)
	require.Equal(b.t, true, b.eval(script))
}

// clickAfter clicks as soon as the condition holds, in the page itself: by the time that a test knows, an answer is over.
func (b *browser) clickAfter(id, condition string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`(%s) && (document.getElementById(%q).click(), true)`, condition, id))
}

// ask types a question and presses Enter.
func (b *browser) ask(question string) {
	b.t.Helper()
	text, err := json.Marshal(question)
	require.NoError(b.t, err)
	b.eval(`document.getElementById("question").value = ` + string(text) + `;
		document.getElementById("question").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true})); 1`)
}

func (b *browser) texts(selector string) string {
	b.t.Helper()
	return b.eval(fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.textContent).join("\n")`, selector)).(string)
}

// screenshot writes what the page looks like to the folder that DOCENT_SCREENSHOTS names, for people to look at.
func (b *browser) screenshot(width int) {
	b.t.Helper()
	dir := os.Getenv("DOCENT_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture struct{ Data []byte }
	b.do("Page.captureScreenshot", map[string]any{}, &picture)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("page-%d.png", width)), picture.Data, 0o644))
}

func TestChatPage(t *testing.T) {
	b := openBrowser(t)
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "tiny", "-model", testmodel.Write(t, 2), "-model-name", "other",
		"-max-tokens", "900", "-default-max-tokens", "900", "-prefix", "/ai")
	page := strings.TrimSuffix(url, "/ai/v1") + "/"
	b.do("Page.navigate", map[string]any{"url": page}, &struct{}{})
	b.wait(`document.readyState === "complete" && document.querySelectorAll("#model option").length === 2`)
	assert.Equal(t, "tiny\nother", b.texts("#model option"))

	idle := `!document.getElementById("send").disabled && document.querySelectorAll(".turn.assistant").length > 0`
	b.eval(`document.getElementById("system").value = "Be brief."; document.getElementById("model").value = "other"; 1`)
	// What the page sends is seen where it leaves. The random model must not end its answers as it likes, and those behind the
	// first one come slowly enough to be stopped.
	b.eval(`window.sent = []; const real = window.fetch; window.fetch = async (u, o) => {
		sent.push(o.body);
		const slow = sent.length > 1, more = {ignore_eos: true, max_tokens: slow ? 700 : 60};
		const answer = await real(u, {...o, body: JSON.stringify({...JSON.parse(o.body), ...more})});
		if (!slow) return answer;
		const reader = answer.body.getReader();
		let rest = new Uint8Array();
		return new Response(new ReadableStream({async pull(c) {
			await new Promise((yes) => setTimeout(yes, 20));
			if (rest.length === 0) {
				const {done, value} = await reader.read();
				if (done) return c.close();
				rest = value;
			}
			c.enqueue(rest.slice(0, 1000));
			rest = rest.slice(1000);
			if (o.signal.aborted) throw o.signal.reason;
		}}), {status: answer.status, headers: answer.headers});
	}; 1`)
	b.ask("hello <b>there</b>")
	b.wait(idle)
	assert.Equal(t, "hello <b>there</b>", b.texts(".turn.user"), "text is text")
	assert.NotEmpty(t, b.texts(".turn.assistant"))
	assert.Empty(t, b.texts(".turn.error"))
	assert.Regexp(t, `^[\d.]+ tokens/s, \d+ tokens, first after [\d.]+ s$`, b.texts("#speed"))
	sent := b.eval(`sent[0]`).(string)
	assert.Contains(t, sent, `"model":"other"`)
	assert.Contains(t, sent, `{"role":"system","content":"Be brief."},{"role":"user","content":"hello <b>there</b>"}`)

	assert.Contains(t, b.texts(".note"), "cut off: it reached its limit")

	// The second turn has the first; Stop keeps what has come.
	b.ask("go on")
	b.clickAfter("stop", `document.querySelectorAll(".turn.assistant").length === 2 && document.querySelectorAll(".turn.assistant")[1].textContent !== ""`)
	b.wait(`!document.getElementById("send").disabled`)
	assert.Regexp(t, `^stopped after \d+ tokens$`, b.texts("#speed"))
	assert.Contains(t, b.eval(`sent[1]`).(string), `"role":"assistant"`)
	assert.NotContains(t, b.eval(`sent[1]`).(string), `"note"`)

	// New while an answer runs: nothing of it comes into the next conversation.
	b.ask("and on")
	b.clickAfter("clear", `document.querySelectorAll(".turn.assistant").length === 3 && document.querySelectorAll(".turn.assistant")[2].textContent !== ""`)
	assert.Empty(t, b.texts(".turn"))
	b.wait(`!document.getElementById("send").disabled`)
	assert.Equal(t, true, b.eval(`turns.length === 0`))

	// What was said before is kept, and can be gone on with.
	assert.Equal(t, "New conversation\nhello <b>there</b>", b.texts("#conversations option"))
	b.eval(`const past = document.getElementById("conversations"); past.selectedIndex = 1; past.dispatchEvent(new Event("change")); 1`)
	assert.Equal(t, "hello <b>there</b>\ngo on", b.texts(".turn.user"))
	assert.Equal(t, "other", b.eval(`document.getElementById("model").value`))
	b.eval(`[...document.querySelectorAll(".tools button")].find((e) => e.textContent === "Edit").click(); 1`)
	assert.Equal(t, "hello <b>there</b>", b.eval(`document.getElementById("question").value`))
	assert.Empty(t, b.texts(".turn"))
	b.eval(`document.getElementById("forget").click(); 1`)
	assert.Equal(t, "New conversation", b.texts("#conversations option"))
	b.eval(`document.getElementById("model").append(new Option("gone")); document.getElementById("model").value = "gone"; 1`)
	b.ask("anybody?")
	b.wait(`document.querySelectorAll(".turn.error").length > 0`)
	assert.Contains(t, b.texts(".turn.error"), "does not exist")
	b.eval(`document.getElementById("model").value = "tiny"; 1`)
	b.ask("again?")
	b.wait(idle)
	assert.NotContains(t, b.eval(`sent.at(-1)`).(string), "anybody?", "what failed is not asked again")

	// Settings are sent; Retry asks the same once more.
	b.eval(`document.getElementById("temperature").value = "0.5"; document.getElementById("length").value = "7"; 1`)
	b.eval(`[...document.querySelectorAll(".tools button")].find((e) => e.textContent === "Retry").click(); 1`)
	b.wait(idle)
	assert.Contains(t, b.eval(`sent.at(-1)`).(string), `"content":"again?"}],"temperature":0.5`)
	assert.Equal(t, "again?", b.texts(".turn.user"))

	// Markdown is shown, and nothing that could do harm.
	b.eval("show({role: 'assistant', content: '**b** [x](javascript:alert(1)) <img src=x onerror=alert(1)> ![i](http://127.0.0.1/i.png)\\n\\n```\\n" +
		strings.Repeat("wide ", 60) + "\\n```', thought: 'hm'}); 1")
	assert.Equal(t, "b", b.texts(".turn strong"))
	assert.Zero(t, b.eval(`document.querySelectorAll(".turn img, .turn a[href^=javascript]").length`))

	for _, width := range []int{360, 768, 1280} {
		b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, &struct{}{})
		assert.LessOrEqual(t, b.eval(`document.documentElement.scrollWidth`), float64(width), "nothing sticks out")
		assert.Greater(t, b.eval(`document.getElementById("question").offsetWidth`), 300.)
		b.screenshot(width)
	}
	b.accessible()
}

// accessible has axe-core look for what hinders people who do not see or do not use a mouse.
func (b *browser) accessible() {
	b.t.Helper()
	source, err := os.ReadFile(os.Getenv("DOCENT_AXE"))
	if err != nil {
		b.t.Log("without axe-core, whose axe.min.js DOCENT_AXE would name; make test-full fetches it")
		return
	}
	b.eval(string(source) + "; 1")
	b.eval(`document.querySelectorAll("details").forEach((d) => d.open = true); 1`)
	assert.Empty(b.t, b.eval(`axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html).join("\n")).join("\n"))`))
}
