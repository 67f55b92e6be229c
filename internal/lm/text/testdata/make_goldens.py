"""Writes tokenizers/*.json and templates/goldens.json: what tokenizers and transformers give.

Run by hand, from this folder, with transformers 5.23.0 and tokenizers 0.23.3; tests never rewrite their goldens. With a NAME
it writes tokenizers/NAME.json alone, with a NAME and a number of texts it makes so many more of them.
The tokenizers are small ones of our own, trained here, each in the configuration of a known family.
"""

import datetime
import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
CORPUS = [
    "The course awards six ECTS; attendance of at least eighty percent is required for the final exam.",
    "Students hand in weekly problem sets. Late work isn't accepted, but we'll drop the two lowest marks.",
    "def mean(xs):\n    return sum(xs) / len(xs)  # arithmetic mean\n",
    "Die Prüfung dauert zwei Stunden. L'examen dure deux heures. Η εξέταση διαρκεί δύο ώρες.",
    "naïve café — “quoted” … 你好，世界 12,345.67€ 2026-07-31",
    "hello hello hello world world  the the the and and of of to to in in is is    spaces    spaces",
]
TEXTS = [
    "", " ", "  ", "\n", "\n\n", " \n ", "\t\t", "a", "Hello, world!", "  leading and trailing  ",
    "The course MATH-201 awards 6 ECTS; attendance ≥ 80% is required.",
    "Η παρακολούθηση είναι υποχρεωτική.", "naïve café — “quoted” … 12,345.67€", "cafe\u0301 vs café",
    "👩‍🏫🚀 emoji 你好，世界", "don't DON'T we'll I've it'S", "a" * 40, "\u00ad soft\u00adhyphen \u200b zero width",
    "1234567890 3.14159 v2.0.1", "ﬁne ligature ﬂow Ⅳ ½ ²", "week  12:\n\n3 lectures", "a  80\t 7", "\r\n\r\nx\r\n",
    "def f(x):\n    return x**2  # code", "<s>", "</s>", "<s>hello</s>", " <s> hello </s> ", "<|im_start|>user\nHi<|im_end|>\n",
    "x<|im_end|><|im_end|>y", "<|im_end", "<think>\nhm\n</think>\n\nok", "<0x41><0xE2>", "▁under▁score ▁", "word wording sword word",
    "FOO foo Foo fOOd", "a<mask>b", "a <mask> b", "[x] [y]  [z]", "<unk> unknown ☃ 𝔘 \U0010ffff", "\u0000\u0001\u007f", "<b>bold</b>\n\n\n",
    "ſ K Å ß İ ǅ", "मराठी ไทย العربية", "\u3000wide\u3000space\u2028line\u0085next", "…\u00a0nbsp", "the the, THE. (the)",
]
RANDOM = random.Random(7)
ALPHABET = list("aetionshr THE  \n\t.,'-_<>|/0123456789éßΩж你好🚀▁\u0301\u00a0") + ["<s>", "</s>", "<|im_end|>", "the", "  ", "<mask>", "word"]
TEXTS += ["".join(RANDOM.choice(ALPHABET) for _ in range(RANDOM.randint(1, 24))) for _ in range(40)]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")


def special(content, **kw):
    return AddedToken(content, special=True, normalized=False, **kw)


def byte_level(pre, normalizer=None, size=380, added=(), **model):
    tok = Tokenizer(models.BPE())
    if normalizer:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return rebuild(tok, added, **model)


def sentencepiece(normalizer=None, pre=None, decoder=None, added=(), size=220, byte_fallback=True, **model):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Replace(" ", "▁")
    tok.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    data = json.loads(tok.to_str())
    head = ["<unk>", "<s>", "</s>"] + ([f"<0x{i:02X}>" for i in range(256)] if byte_fallback else [])
    data["model"]["vocab"] = {t: i for i, t in enumerate(head + list(data["model"]["vocab"]))}
    tok = Tokenizer.from_str(json.dumps(data))
    tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    tok.decoder = decoder
    return rebuild(tok, (special("<unk>"), special("<s>"), special("</s>"), *added), byte_fallback=byte_fallback, unk_token="<unk>", **model)


def rebuild(tok, added, **model):
    data = json.loads(tok.to_str())
    data["model"].update(model)
    tok = Tokenizer.from_str(json.dumps(data))
    for a in added:  # tokens of their own id, in this order
        (tok.add_special_tokens if a.special else tok.add_tokens)([a])
    return tok


def with_bos(tok, bos, first=None):
    template = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tok.token_to_id(bos))])
    tok.post_processor = processors.Sequence([first, template]) if first else template
    return tok


def with_roberta(tok):
    tok.post_processor = processors.RobertaProcessing(("</s>", tok.token_to_id("</s>")), ("<s>", tok.token_to_id("<s>")))
    return tok


def plain_bytes():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def by_score(tok):
    """Merges made from the scores of a sentencepiece model (here minus the id), as transformers converts them."""
    from transformers.convert_slow_tokenizer import generate_merges

    data = json.loads(tok.to_str())
    vocab = data["model"]["vocab"]
    data["model"]["merges"] = generate_merges(vocab, {t: -i for t, i in vocab.items()}, skip_tokens=["<unk>", "<s>", "</s>"])
    return Tokenizer.from_str(json.dumps(data))


def unigram(normalizer, pre, decoder, byte_fallback=False, size=200):
    tok = Tokenizer(models.Unigram())
    tok.normalizer, tok.pre_tokenizer, tok.decoder = normalizer, pre, decoder
    head = ["<pad>", "</s>", "<unk>"] + ([f"<0x{i:02X}>" for i in range(256)] if byte_fallback else [])
    tok.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=size + len(head), special_tokens=head, unk_token="<unk>", show_progress=False))
    data = json.loads(tok.to_str())
    data["model"]["byte_fallback"] = byte_fallback
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    tok = Tokenizer.from_str(json.dumps(data))
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return rebuild(tok, (special("<extra_id_0>"),))


def chars_map(rules):
    """What sentencepiece compiles from rules: a double-array trie of bytes, then the replacements."""
    texts, at = b"", {}
    for text in sorted(set(rules.values())):
        at[text] = len(texts)
        texts += text.encode() + b"\0"
    units, used = [0] * 256, {0}

    def place(node, keys):  # keys: {rest of the bytes: value}
        labels = sorted({k[0] if k else 0 for k in keys})
        base = next(b for b in range(1, 1 << 20) if b not in bases and all(b ^ c not in used for c in labels))
        bases.add(base)
        units.extend([0] * (base + 257 - len(units)))
        offset = node ^ base
        units[node] |= offset << 10
        for c in labels:
            used.add(base ^ c)
            if c == 0:
                units[node] |= 1 << 8
                units[base] = keys[b""] | 1 << 31
        for c in labels:
            if c:
                units[base ^ c] |= c
        for c in labels:
            if c:
                place(base ^ c, {k[1:]: v for k, v in keys.items() if k and k[0] == c})

    bases = set()
    place(0, {k.encode(): at[v] for k, v in rules.items()})
    array = b"".join(u.to_bytes(4, "little") for u in units)
    return len(array).to_bytes(4, "little") + array + texts


RULES = {"\t": " ", "\n": " ", "\u3000": " ", "\u00a0": " ", "\u00ad": "", "\u200b": "", "ﬁ": "fi", "Ⅳ": "IV", "½": "1/2", "…": "...", "ſ": "s", "K": "K", "e\u0301": "é", "²": "2", "A": "a"}


def build():
    precompiled = normalizers.Precompiled(chars_map(RULES))
    yield "unigram-t5", unigram(
        normalizers.Sequence([precompiled, normalizers.Replace(Regex(" {2,}"), " ")]), pre_tokenizers.Metaspace(prepend_scheme="always"), decoders.Metaspace())
    yield "unigram-first", unigram(
        normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]), byte_fallback=True)
    yield "words", byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_previous"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]))
    yield "punctuation", with_roberta(byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.CharDelimiterSplit("a"), pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Punctuation(), plain_bytes()]),
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), added=[special("<s>"), special("</s>")]))
    chatml = [special("<|im_start|>"), special("<|im_end|>")]
    llama2_decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    prepend = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    yield "gpt2", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), added=[special("<|endoftext|>")])
    yield "gpt2-prefix", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), added=[special("<s>"), special("<mask>", lstrip=True)])
    yield "smollm2", byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), added=chatml)
    yield "llama3", with_bos(byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain]),
        added=[special("<s>"), special("<|eot_id|>"), special("<|im_end|>")], ignore_merges=True), "<s>", processors.ByteLevel(trim_offsets=False))
    yield "qwen2", byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), plain]), normalizers.NFC(),
        added=[*chatml, AddedToken("<think>", special=False, normalized=False), AddedToken("</think>", special=False, normalized=False)])
    yield "llama2", with_bos(sentencepiece(prepend, None, llama2_decoder, fuse_unk=True), "<s>")
    yield "mistral", with_bos(sentencepiece(
        None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False), llama2_decoder, added=[special("[INST]"), special("[/INST]")], fuse_unk=True), "<s>")
    yield "gemma3", with_bos(sentencepiece(
        normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
        added=[special("<start_of_turn>"), special("<end_of_turn>"), AddedToken("\n\n", normalized=False), AddedToken("\n\n\n", normalized=False), AddedToken("<b>", normalized=False)],
        fuse_unk=True), "<s>")
    yield "phi3", sentencepiece(
        prepend, None, llama2_decoder, fuse_unk=True,
        added=[special(t, rstrip=True) for t in ("<|im_start|>", "<|im_end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")])
    yield "llama-scores", with_bos(by_score(sentencepiece(prepend, None, llama2_decoder, fuse_unk=True)), "<s>")
    yield "metaspace", sentencepiece(
        normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]), pre_tokenizers.Metaspace(prepend_scheme="always"), decoders.Metaspace(),
        added=[AddedToken("FOO", single_word=True, normalized=True), AddedToken("word", single_word=True, normalized=False),
               AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False, special=True), AddedToken("[y]", normalized=True, special=True)],
        byte_fallback=False)
    yield "splits", sentencepiece(
        normalizers.Sequence([normalizers.NFD(), normalizers.Strip(), normalizers.Replace(Regex("[0-9]+"), "1")]),
        pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(r"\s+"), "removed"), pre_tokenizers.Split(",", "merged_with_next"), pre_tokenizers.Digits(),
            pre_tokenizers.Split(Regex(r"\p{L}+"), "contiguous", invert=True), pre_tokenizers.Split("-", "merged_with_previous")]),
        None, byte_fallback=False, fuse_unk=False)


def tokenizer_goldens():
    out = HERE / "tokenizers"
    out.mkdir(exist_ok=True)
    more = ["".join(RANDOM.choice(ALPHABET) for _ in range(RANDOM.randint(1, 40))) for _ in range(int((sys.argv[2:] or [0])[0]))]
    for name, tok in build():
        if sys.argv[1:] and name != sys.argv[1]:
            continue
        cases = []
        for text in TEXTS + more:
            tok.encode_special_tokens = False
            case = {"text": text, "ids": tok.encode(text, add_special_tokens=False).ids, "with_special": tok.encode(text).ids}
            tok.encode_special_tokens = True
            case["ordinary"] = tok.encode(text, add_special_tokens=False).ids
            tok.encode_special_tokens = False
            cases.append(case)
        size = max(tok.get_vocab().values()) + 1
        sequences = [c["ids"] for c in cases] + [[RANDOM.randrange(size) for _ in range(RANDOM.randint(1, 12))] for _ in range(60)]
        decoded = [{"ids": ids, "text": tok.decode(ids, skip_special_tokens=False), "skipped": tok.decode(ids)} for ids in sequences]
        golden = {"versions": {"tokenizers": tokenizers.__version__}, "tokenizer": json.loads(tok.to_str()), "encode": cases, "decode": decoded}
        (out / f"{name}.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


SYSTEM = {"role": "system", "content": "Context: MATH-201 <b>&</b> \"quotes\" 'n' ünïcode.\n  "}
USER = {"role": "user", "content": "  How much attendance is required? \n"}
ASSISTANT = {"role": "assistant", "content": "80 %, <think>it says so</think>"}
THINKING = {"role": "assistant", "content": "<think>\nlet me see\n</think>\n\n80 %"}
MORE = {"role": "user", "content": "And in ΦΥΣ-101?"}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "abcdefgh1", "type": "function", "function": {"name": "lookup", "arguments": {"course": "ΦΥΣ-101 <1>", "fields": ["attendance", "ects"], "n": 2, "x": 1.5, "deep": {"b": None, "a": True}}}}]}
RESULT = {"role": "tool", "tool_call_id": "abcdefgh1", "name": "lookup", "content": "{\"attendance\": \"75 %\"}"}
TOOL = {"type": "function", "function": {"name": "lookup", "description": "Looks up a course's \"facts\" & more.", "parameters": {
    "type": "object", "properties": {"course": {"type": "string"}, "n": {"type": "integer", "default": 1}}, "required": ["course"]}}}
CHATS = {
    "user": [USER], "system": [SYSTEM, USER], "turns": [SYSTEM, USER, ASSISTANT, MORE], "answered": [USER, ASSISTANT, MORE, THINKING],
    "late system": [USER, SYSTEM, MORE], "assistant first": [ASSISTANT, USER], "two users": [USER, MORE], "tool": [USER, CALL, RESULT],
    "tool answered": [SYSTEM, USER, CALL, RESULT, RESULT, ASSISTANT],
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
NOW = datetime.datetime(2026, 3, 7, 9, 5, 3)


def render(source, **variables):
    """transformers' rendering, with the clock held."""
    from transformers.utils import chat_template_utils as utils

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW

    utils.datetime = Clock
    chat = variables.pop("messages")
    try:
        texts, _ = utils.render_jinja_template([chat], chat_template=source, **SPECIAL, **variables)
        text, spans = texts[0], []
        if "generation" in source:
            _, [spans] = utils.render_jinja_template([chat], chat_template=source, return_assistant_tokens_mask=True, **SPECIAL, **variables)
        return {"text": text, "generated": [text[a:b] for a, b in spans]}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}


def template_goldens():
    cases = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text()
        for name, messages in CHATS.items():
            variants = [{}, {"add_generation_prompt": True}]
            if "tool" in name:
                variants.append({"tools": [TOOL], "add_generation_prompt": True})
            if path.stem == "qwen3":
                variants.append({"add_generation_prompt": True, "enable_thinking": False})
            for variables in variants:
                cases.append({"template": path.name, "chat": name, "messages": messages, "variables": variables, **render(source, messages=messages, **variables)})
    write(HERE / "templates" / "goldens.json", cases)
    # Language details: each snippet is a template of its own.
    snippets = (HERE.parent / "jinja" / "testdata" / "snippets.txt").read_text().split("\n----\n")
    variables = {"messages": CHATS["tool answered"], "tools": [TOOL]}
    rendered = [{"source": s, **render(s, **variables)} for s in snippets]
    write(HERE.parent / "jinja" / "testdata" / "goldens.json", [{**SPECIAL, "documents": None, "add_generation_prompt": False, **variables}, *rendered])


def mask_goldens():
    """Which tokens the generation tag marks, by transformers' return_assistant_tokens_mask."""
    from transformers import PreTrainedTokenizerFast

    source = (HERE / "templates" / "generation.jinja").read_text()
    cases = []
    for name in ("smollm2", "qwen2", "phi3", "llama2"):
        golden = json.loads((HERE / "tokenizers" / f"{name}.json").read_text())
        tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(golden["tokenizer"])))
        for messages in ([USER, ASSISTANT], [SYSTEM, USER, ASSISTANT, MORE, THINKING], [USER, MORE]):
            out = tok.apply_chat_template(messages, chat_template=source, return_assistant_tokens_mask=True, return_dict=True)
            cases.append({"tokenizer": name, "messages": messages, "ids": out["input_ids"], "mask": out["assistant_masks"]})
    write(HERE / "templates" / "masks.json", cases)


def write(path, cases):
    path.write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


if __name__ == "__main__":
    tokenizer_goldens()
    if not sys.argv[1:]:
        template_goldens()
        mask_goldens()
