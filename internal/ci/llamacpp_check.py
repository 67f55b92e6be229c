"""What llama.cpp makes of GGUF files that docent wrote: llamacpp_check.py INPUT.json > OUTPUT.json

    INPUT   {"chats": [[message, …], …], "tokens": int, "models": {name: {"model": file, "adapter": file or none, "chats": how many,
            "ids": [int] or none}}}
    OUTPUT  {name: [{"prompt": str, "ids": [int], "answer": [int]}, …]}: of each chat the rendered prompt, its ids, and greedy ids; or
            behind the ids alone
"""

import json
import os
import sys
import urllib.request

import xllamacpp

given = json.load(open(sys.argv[1]))
sys.stdout, report = os.fdopen(os.dup(2), "w"), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # llama.cpp writes there, too
out = {}
for name, files in given["models"].items():
    params = xllamacpp.CommonParams()
    params.model.path = files["model"]
    params.port, params.n_parallel, params.n_ctx, params.use_jinja, params.warmup = 0, 1, 1024, True, False
    params.sampling.temp = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # several wait for each other in a busy loop
    if files["adapter"]:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = files["adapter"], 1.0
        params.lora_adapters = [adapter]
    server = xllamacpp.Server(params)

    def ask(path, **body):
        request = urllib.request.Request(server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    out[name] = []
    if files.get("ids"):
        answer = ask("/completion", prompt=files["ids"], n_predict=given["tokens"], temperature=0, return_tokens=True)
        out[name].append({"prompt": "", "ids": files["ids"], "answer": answer["tokens"]})
    for messages in given["chats"][: files["chats"]]:
        prompt = ask("/apply-template", messages=messages)["prompt"]
        ids = ask("/tokenize", content=prompt, add_special=True, parse_special=True)["tokens"]
        answer = ask("/completion", prompt=ids, n_predict=given["tokens"], temperature=0, cache_prompt=False, return_tokens=True)
        out[name].append({"prompt": prompt, "ids": ids, "answer": answer["tokens"]})
    del server
json.dump(out, report)
report.close()
