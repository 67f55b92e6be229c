"""What a card does, in one call: docent's goldens and benchmarks on it, and PEFT and transformers beside them.

    python gpu.py TESTS --plugin xla_cuda_plugin.so [--minutes 8] [--out figures.json] [--peers PYTHON]
    python gpu.py --report figures.json        # a section for BENCHMARKS.md

TESTS is the folder of test binaries that test-gpu.sh builds. Parts run in the order of their worth. Each has a time limit, what it finds is
printed and written at once, and none is begun that the time left does not reach. --rehearse runs the same with small shapes on
XLA's CPU plugin, where only the time of all is limited. Models have random weights, made on the device (internal/testmodel/shapes), so that nothing has to be brought.
"""
import argparse, glob, json, os, platform, queue, re, signal, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
a.add_argument("tests", nargs="?")
a.add_argument("--plugin")
a.add_argument("--minutes", type=float, default=8)
a.add_argument("--out", default="gpu.json")
a.add_argument("--peers", default=sys.executable, metavar="PYTHON")
a.add_argument("--rehearse", action="store_true")
a.add_argument("--only", default="", metavar="PATTERN", help="parts whose name matches, such as '8B|decode'")
a.add_argument("--report", metavar="JSON")
a = a.parse_args()


def report(r):
    print(f"### {r['device']}\n\n{r['date']}, {r['seconds']:.0f} s in one call of `make test-gpu`. {r['versions']}\n")
    for p in r["parts"]:
        if p["verdict"] != "ok":
            print(f"- {p['name']}: **{p['verdict']}** {p['why']}".rstrip())
    print("\n| what | figure |\n|---|---|")
    for p in r["parts"]:
        for f in p["figures"]:
            print(f"| {p['name']}{f['of']} | {f['value']:,.4g} {f['unit']} |")
    for name, peer in r["beside"].items():
        best = lambda n: next((f["value"] for p in r["parts"] if p["name"] == n for f in p["figures"] if f["unit"] == "tok/s"), None)
        if best(name) and best(peer):
            print(f"| {name}: times {peer} | {best(name) / best(peer):.2f} |")


if a.report:
    sys.exit(report(json.load(open(a.report))))
if not (a.tests and a.plugin):
    a.error("TESTS and --plugin are needed")
a.tests, a.plugin = os.path.abspath(a.tests), os.path.abspath(a.plugin)

began, cuda = time.monotonic(), not a.rehearse
left = lambda: a.minutes * 60 - (time.monotonic() - began)
env = os.environ | {"GOMLX_NO_AUTO_INSTALL": "1", "DOCENT_BACKEND": f"xla:{a.plugin}" + (",tf32=false" if cuda else "")}
libraries = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(a.plugin))), "nvidia", "cu13")
flags = env.get("XLA_FLAGS", "")
if cuda and os.path.isdir(libraries) and "cuda_data_dir" not in flags:
    flags += f" --xla_gpu_cuda_data_dir={libraries}"


def ask(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


device = ask("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader") if cuda else f"rehearsal on {platform.processor() or platform.machine()}, {os.cpu_count()} cores"
versions = "import importlib.metadata as m\nfor n in ('torch', 'transformers', 'peft', 'jax-cuda13-pjrt'):\n try: print(n, m.version(n), end='; ')\n except m.PackageNotFoundError: pass"
result = {"device": device, "date": time.strftime("%Y-%m-%d"), "versions": ask(a.peers, "-c", versions), "seconds": 0, "parts": [], "beside": {}}


def used():
    """Megabytes of the card that are taken, all processes together."""
    return max((int(x) for x in ask("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits").split() if x.isdigit()), default=0)


def run(commands, limit, line=lambda text: None, stop=lambda: False):
    """Runs commands beside each other, gives their lines to line, and ends them at the limit or when stop says so. Returns the exit
    codes and the peak of the card's memory in MB, without what was taken before."""
    before, peak, asked, lines = used() if cuda else 0, 0, 0.0, queue.Queue()

    def read(p):
        for text in p.stdout:
            lines.put(text.rstrip())
        lines.put(None)

    processes = [
        subprocess.Popen(c, cwd=d, env=env | e, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        for c, d, e in commands
    ]
    for p in processes:
        threading.Thread(target=read, args=[p], daemon=True).start()
    open_, ends = len(processes), time.monotonic() + limit
    try:
        while open_ and time.monotonic() < ends and not stop():
            try:
                text = lines.get(timeout=0.2)
                if text is None:
                    open_ -= 1
                else:
                    line(text)
            except queue.Empty:
                pass
            if cuda and time.monotonic() - asked > 0.5:
                peak, asked = max(peak, used() - before), time.monotonic()
    finally:
        ended = not open_
        for p in processes:
            if not ended:
                os.killpg(p.pid, signal.SIGKILL)
            p.wait()
    return [p.returncode if ended else 124 for p in processes], peak


def part(name, limit, do, least=15):
    if not re.search(a.only, name):
        return
    start, p = time.monotonic(), {"name": name, "verdict": "ok", "why": "", "seconds": 0, "figures": []}
    if left() < least:
        p["verdict"], p["why"] = "skipped", f"{max(left(), 0):.0f} s were left"
    else:
        try:
            do(p, left() if a.rehearse else min(limit, left()))
        except Exception as e:  # the other parts go on
            p["verdict"], p["why"] = "FAILED", repr(e)
    p["seconds"] = round(time.monotonic() - start, 1)
    result["parts"].append(p)
    result["seconds"] = time.monotonic() - began
    print(f"{p['verdict']:8}{p['seconds']:6.0f} s  {name} {p['why']}", *(f"{f['value']:,.4g} {f['unit']}{f['of']}" for f in p["figures"]), sep="  ", flush=True)
    with open(a.out + ".tmp", "w") as f:
        json.dump(result, f, indent=1)
    os.replace(a.out + ".tmp", a.out)


def figure(p, value, unit, of=""):
    p["figures"].append({"of": of, "value": value, "unit": unit})


def binary(package, *arguments, more={}):
    return [os.path.join(a.tests, package.replace("/", "-") + ".test"), *arguments], os.path.join(ROOT, package), {"XLA_FLAGS": flags} | more


def tests(package, patterns, quick=True):
    """The tests that match, one process for each pattern; kernels of so little work are not tuned."""
    def do(p, limit):
        seen, more = {"PASS": 0, "FAIL": 0, "SKIP": 0}, {"XLA_FLAGS": flags + " --xla_gpu_autotune_level=0"} if cuda and quick else {}
        failed = []

        def line(text):
            m = re.match(r"\s*--- (PASS|FAIL|SKIP): (\S+)", text)
            if m:
                seen[m[1]] += 1
                if m[1] == "FAIL":
                    failed.append(m[2])
            elif "panic:" in text or "Error:" in text:
                failed.append(text.strip())

        codes, _ = run([binary(package, "-test.v", "-test.run", x, more=more) for x in patterns], limit, line)
        figure(p, seen["PASS"], "passed")
        if any(codes):
            p["verdict"], p["why"] = ("out of time" if 124 in codes else "FAILED"), "; ".join(failed[:6])
        elif not seen["PASS"]:
            p["verdict"], p["why"] = "skipped", "no test applies to this device"
    return do


def benchmark(package, pattern, shape, seconds=0.5 if a.rehearse else 4, more={}):
    def do(p, limit):
        tail = []

        def line(text):
            tail[:] = (tail + [text])[-5:]
            # the name is printed before the benchmark runs, and what that prints may come between
            m = re.search(r"\s(\d+)\s+([\d.]+) ns/op(.*)", text)
            for value, unit in re.findall(r"([\d.e+]+) (\S+)", m[3]) if m else ():
                if unit != "peak-MB" or not cuda:
                    figure(p, float(value), unit)

        codes, peak = run([binary(package, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", f"{seconds}s", more={"DOCENT_BENCH_MODEL": "shape:" + shape} | more)], limit, line)
        if cuda:
            figure(p, peak, "peak-MB")
        if codes[0] or not any(f["unit"] == "tok/s" for f in p["figures"]):
            p["verdict"], p["why"] = ("out of time" if codes[0] == 124 else "FAILED"), " ".join(tail)[-300:]
    return do


def peer(work, shape, *options, seconds=0.5 if a.rehearse else 4, warm=3):
    def do(p, limit):
        if "peft" not in result["versions"]:
            p["verdict"], p["why"] = "skipped", "torch, transformers or peft is not installed"
            return
        units, times, tail = [], [], []

        def line(text):
            m = re.match(r"turn (\d+)", text)
            if m:
                units.append(int(m[1]))
                times.append(time.monotonic())
            else:
                tail[:] = (tail + [text])[-3:]

        enough = lambda: len(times) > warm + 1 and times[-1] - times[warm] > seconds
        command = [a.peers, os.path.join(HERE, "peer.py"), work, "shape:" + shape, "--device", "cuda" if cuda else "cpu", *options]
        codes, peak = run([(command, ROOT, {})], limit, line, enough)
        if len(times) > warm + 1:
            figure(p, sum(units[warm + 1:]) / (times[-1] - times[warm]), "tok/s")
            if cuda:
                figure(p, peak, "peak-MB")
        else:
            p["verdict"], p["why"] = ("out of time" if codes[0] == 124 else "FAILED"), " ".join(tail)[-300:]
    return do


def beside(name, other, limit, ours, limit_other, theirs):
    result["beside"][name] = other
    part(name, limit, ours)
    part(other, limit_other, theirs)


families = sorted(os.path.basename(os.path.dirname(x)) for x in glob.glob(os.path.join(ROOT, "internal/golden/testdata/tiny/*/run.json")))
spread = [families[i::8] for i in range(8)] if cuda else [["llama"]]
pick = ["^TestGoldenTiny$/^graphs$/^(" + "|".join(x) + ")$" for x in spread]
small, one_b, eight_b = ("tiny", "tiny", "tiny") if a.rehearse else ("135m", "1b", "8b")
train = lambda p, shape, rows, seq, recompute=False, more={}: benchmark("lora", f"TrainStep/xla/{p}/recompute={str(recompute).lower()}/batch={rows}/seq={seq}$", shape, more=more)
peft = lambda p, shape, rows, seq, *o: peer("train", shape, "--precision", p, "--batch", str(rows), "--seq", str(seq), *o)
decode = lambda p, shape, n: benchmark("internal/lm/infer", f"Decode/graphs/{p}/streams={n}/prompt=1000/choose=true$", shape)

print(f"{device}; {result['versions']}", flush=True)
part("training's goldens, f32", 100, tests("lora", pick))
part("fused attention beside products, bf16", 40, tests("lora", ["FusedAttention|Recomputing|ProductsAre"]))
part("packed weights, several devices, too little memory", 40, tests("lora", ["PackedBase", "SeveralDevices", "TooLittleOnADevice"]))
if a.rehearse:  # of a card, the benchmarks below set predicted-MB beside peak-MB
    part("memory as it is predicted, three sizes", 40, tests("lora", ["MemoryIsPredicted/./xla"]))
beside("train SmolLM2-135M bf16 4x256", "PEFT bf16 4x256, SmolLM2-135M", 75, train("bf16", small, 4, 256), 40, peft("bf16", small, 4, 256))
beside("train 8B bf16 recomputing 4x512", "PEFT bf16 checkpointing 4x512, 8B", 110, train("bf16", eight_b, 4, 512, True), 60, peft("bf16", eight_b, 4, 512, "--recompute"))
part("train 8B 4-bit recomputing 4x512", 110, train("int4", eight_b, 4, 512, True))
beside("train 1B bf16 4x512", "PEFT bf16 4x512, 1B", 75, train("bf16", one_b, 4, 512), 40, peft("bf16", one_b, 4, 512))
beside("train SmolLM2-135M f32 4x256", "PEFT f32 4x256, SmolLM2-135M", 75, train("f32", small, 4, 256), 40, peft("f32", small, 4, 256))
for n in (1, 64, 8):
    part(f"decode 8B bf16, {n} streams behind 1,000", 60, decode("bf16", eight_b, n))
part("decode 8B bf16, 1 stream, transformers", 40, peer("decode", eight_b, "--precision", "bf16", "--prompt", "1000"))
part("inference's goldens, f32", 60, tests("internal/lm/infer", [x.replace("/^graphs$", "") for x in pick]))
part("choice of tokens on the device", 40, tests("internal/lm/sample", ["."]))
if a.rehearse:
    part("choice of tokens on a device with its own memory", 40, tests("internal/lm/infer", ["OwnMemory"]))
with tempfile.TemporaryDirectory() as tuned:
    again = {"XLA_FLAGS": flags + f" --xla_gpu_per_fusion_autotune_cache_dir={tuned}"}
    for time_ in ("first", "second"):
        part(f"train SmolLM2-135M bf16 4x256, tuned kernels kept, {time_} time", 75, train("bf16", small, 4, 256, more=again))
print(f"{result['seconds']:.0f} s; {a.out} has the figures, and gpu.py --report {a.out} makes a section of them")
sys.exit(any(p["verdict"] == "FAILED" for p in result["parts"]))
