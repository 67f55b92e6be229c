"""docent's server beside llama.cpp's, over HTTP, with the same clients: single-stream decoding, eight clients at once, and
the time to the first token behind a long system message that the server has seen before.

    pip install xllamacpp               # llama.cpp's own server (slots, continuous batching) as a wheel for CPUs
    go run ./examples/server -model MODEL.gguf -model-name m -slots 8 -warm &
    python internal/ci/peer_serve.py MODEL.gguf --docent http://127.0.0.1:8080/v1 [--clients 8] [--tokens 64] [--rounds 3]

The two take turns, so that whatever else the machine does hits both; medians of the rounds are printed, a JSON line for
each figure and server, and then the ratios. Only the model file is given to llama.cpp: for another width of weights give
both servers another file, such as the one that --q8 OUT.gguf writes (it needs the package gguf) before it exits.

With --adapters N, each of N clients asks for an adapter of its own besides: MODEL-0.gguf, … of llama.cpp, the models "0", … of docent.

Without --docent only llama.cpp's server is measured.
"""
import argparse, json, os, statistics, threading, time, urllib.request

a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
a.add_argument("model")
a.add_argument("--docent", metavar="BASE_URL")
a.add_argument("--docent-model", default="m", metavar="ID")
a.add_argument("--clients", type=int, default=8)
a.add_argument("--tokens", type=int, default=64)
a.add_argument("--rounds", type=int, default=3)
a.add_argument("--system", type=int, default=1000, help="tokens of the system message, about")
a.add_argument("--threads", type=int, default=os.cpu_count())
a.add_argument("--adapters", type=int, default=0, metavar="N")
a.add_argument("--q8", metavar="OUT.gguf")
a = a.parse_args()


def write_q8(source, target):
    """The same model with every matrix at Q8_0, from what the file has."""
    import gguf

    reader = gguf.GGUFReader(source)
    text = lambda f: str(bytes(f.parts[f.data[0]]), "utf-8")
    writer = gguf.GGUFWriter(target, text(reader.fields["general.architecture"]))
    for name, f in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = f.types[0]
        writer.add_key_value(name, f.contents(), kind, f.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    for t in reader.tensors:
        values = gguf.quants.dequantize(t.data, t.tensor_type)
        kind = gguf.GGMLQuantizationType.Q8_0 if values.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(t.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if a.q8:
    write_q8(a.model, a.q8)
    raise SystemExit

import xllamacpp


def llama_server():
    p = xllamacpp.CommonParams()
    p.model.path = a.model
    p.n_parallel, p.n_ctx = a.clients, a.clients * 2048
    p.n_gpu_layers = 0
    p.lora_init_without_apply = True
    adapters = []
    for i in range(a.adapters):
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = f"{a.model.removesuffix('.gguf')}-{i}.gguf", 0.0
        adapters.append(adapter)
    p.lora_adapters = adapters
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = a.threads
    return xllamacpp.Server(p)


def ask(url, model, messages, tokens, **body):
    """Seconds to the first and to the last token of a streamed greedy answer of exactly so many."""
    body |= {"model": model, "messages": messages, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True}
    body["stream_options"] = {"include_usage": True}
    request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    began, first, usage = time.perf_counter(), None, None
    with urllib.request.urlopen(request, timeout=600) as stream:
        for line in stream:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if chunk["choices"] and first is None and chunk["choices"][0]["delta"].get("content"):
                first = time.perf_counter() - began
            usage = chunk.get("usage") or usage
    assert usage["completion_tokens"] == tokens, usage
    return first, time.perf_counter() - began


def question(n):
    return [{"role": "user", "content": f"Question {n}: write a long story about a small island and its lighthouse."}]


class Peer:
    def __init__(self, name, url, model):
        self.name, self.url, self.model = name, url, model
        self.figures = {}
        self.n = 0
        self.tokens = 4  # at first only to have everything compiled and read
        self.step()
        self.tokens = a.tokens
        self.figures = {}

    def step(self):
        if a.adapters:
            self.together(), self.adapted()
        else:
            self.alone(), self.together(), self.behind_system()

    def note(self, what, value):
        self.figures.setdefault(what, []).append(value)

    def fresh(self):
        self.n += 1
        return question(self.n)

    def alone(self):
        first, last = ask(self.url, self.model, self.fresh(), self.tokens)
        self.note("decode, one client, tokens/s", (self.tokens - 1) / (last - first))

    def together(self):
        """The tokens of all clients over the time from the first request to the last token."""
        began = time.perf_counter()
        threads = [threading.Thread(target=ask, args=(self.url, self.model, self.fresh(), self.tokens)) for _ in range(a.clients)]
        [t.start() for t in threads], [t.join() for t in threads]
        self.note(f"{a.clients} clients, tokens/s", a.clients * self.tokens / (time.perf_counter() - began))
        began = time.perf_counter()
        for _ in range(a.clients):
            ask(self.url, self.model, self.fresh(), self.tokens)
        self.note("the same one after another, tokens/s", a.clients * self.tokens / (time.perf_counter() - began))

    def adapted(self):
        """As together, each client with an adapter of its own."""
        threads = []
        for i in range(a.adapters):
            model, body = (self.model, {"lora": [{"id": i, "scale": 1.0}]}) if self.name == "llama.cpp" else (str(i), {})
            threads.append(threading.Thread(target=ask, args=(self.url, model, self.fresh(), self.tokens), kwargs=body))
        began = time.perf_counter()
        [t.start() for t in threads], [t.join() for t in threads]
        self.note(f"{a.adapters} clients with an adapter each, tokens/s", a.adapters * self.tokens / (time.perf_counter() - began))

    def behind_system(self):
        self.n += 1
        words = [{"role": "system", "content": f"Course {self.n}. " + "The exam is in June. " * (a.system // 6)}]
        new, _ = ask(self.url, self.model, words + self.fresh(), 2)
        seen, _ = ask(self.url, self.model, words + self.fresh(), 2)
        self.note("first token, new system message, s", new)
        self.note("first token, known system message, s", seen)


server = llama_server()
peers = [Peer("llama.cpp", server.listening_address + "/v1", "m")]
if a.docent:
    peers.append(Peer("docent", a.docent, a.docent_model))
for _ in range(a.rounds):
    for p in peers:
        p.step()
median = {p.name: {what: statistics.median(values) for what, values in p.figures.items()} for p in peers}
for name, figures in median.items():
    for what, value in figures.items():
        print(json.dumps({"server": name, "what": what, "median": round(value, 3)}))
for what, peer in median["llama.cpp"].items():
    if a.docent:
        print(f"docent / llama.cpp  {median['docent'][what] / peer:6.2f}  {what}")
for name, f in {} if a.adapters else median.items():
    print(f"{name}: {a.clients} clients / one after another {f[f'{a.clients} clients, tokens/s'] / f['the same one after another, tokens/s']:.2f}, "
          f"known / new system message {f['first token, known system message, s'] / f['first token, new system message, s']:.2f}")
