"""Writes patterns.json: how tokenizers' Split cuts texts by patterns in which Oniguruma has a dialect of its own."""

import json
import pathlib
import random

from tokenizers import Regex, pre_tokenizers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}"
    r"\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KIMI = (
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = [
    GPT2, GPT4O, LLAMA3, KIMI, r"[[:alpha:]]+|[[:digit:]]", r"[ab[12]]+", r"\s+$|\S+|\s+", r"^\S+|\S|\s+", r"\w+|[^\w\s]+", r"\b", r"\B", r"",
    r"(?i:'s|'t)|\p{L}+|[^\p{L}]", r"[^a[12]]+", r"[a-c&&b-d&&[^c]]+", r"[^a-c&&b-d]", r"[[^ab]&&[^12]]+", r"[\w&&[^\d_]]+", r"[[:^alpha:]]+",
    r"[[:punct:]]+", r"[[:word:]]+", r"[[:upper:]][[:lower:]]*", r"[[:space:]]+", r"[[:alnum:]]+", r"[[:cntrl:][:blank:]]", r"[[:xdigit:]]{2}",
    r"\h+", r"\H+", r"\R", r".+", r"(?m:.+)", r"(?m).", r"(?i)[a-b]+", r"(?i)k", r"a(?i)b|c", r"a++b", r"a?+b", r"(?>a|ab)c", r"a{2}", r"a{,2}b", r"a{2,}+",
    r"{a}|[{}]", r"\A.|.\z", r"\n\Z|.\Z", r"(?<=a)b|(?<!a)1", r"(?<x>ab)+", r"\p{^L}+", r"\P{Lu}+", r"\p{Letter}+", r"\p{alpha}+", r"\p{Uppercase_Letter}",
    r"[\]\-a]+", r"[]a]+", r"[a-]+", r"[-a]+", r"\x41|\u0062|\x{e9}", r"[\t\n]", r"[\s\S]", r"a|b|", r"(?#no)a", r"(?-i:a)b", r"(?=a)", r"x*", r"a*?", r"\$|\^|\.",
    r"[.$^|(){}*+?]", r"\d+(?:\.\d+)?", r"\W+", r"[\W_]+", r"[^\W\d]+", r"[\p{Han}\p{Hiragana}]+|.", r"\s*[\r\n]+|\s+(?!\S)|\s",
    r"\p{Word}+", r"\P{Word}+", r"[\p{Word}]+",
    # Of cl100k, DeepSeek, Falcon, Bloom, Tekken, Qwen 3.5, SuperBPE and Youtu:
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[一-龥぀-ゟ゠-ヿ]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\s?\p{L}+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"[\p{P}\$\+<=>\^~\|`]+", r"[0-9][0-9][0-9]", r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?=(\d{3})+(?!\d))", r"\d{1,3}(?=(?:\d{3})*\b)", r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+", r"[^\n]+|[\n]+", r"(\s+|^)\S",
]
CHARS = list("abAB12 .'_-[]&\n$^{}csKk") + ["é", "中", "文", "の", "ि", "न", "ſ", "́", "²", "\t", "\r", "’", "…", "Ⓐ", "K", " "]

random.seed(4)
out = []
for pattern in PATTERNS:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    cases = []
    for _ in range(60):
        text = "".join(random.choice(CHARS) for _ in range(random.randint(1, 7)))
        cases.append([text, *(part for part, _ in split.pre_tokenize_str(text))])
    out.append({"pattern": pattern, "splits": cases})
pathlib.Path(__file__).with_name("patterns.json").write_text(json.dumps(out, ensure_ascii=True, indent=None, separators=(",", ":")).replace('{"pattern"', '\n{"pattern"'))
