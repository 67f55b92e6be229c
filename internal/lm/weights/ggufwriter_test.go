package weights

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/docent-ml/docent/internal/lm"
)

// ggufFile is a GGUF file in the making. Its parts are written as given, so that tests can also make wrong ones.
type ggufFile struct {
	version uint32
	pairs   []ggufPair
	tensors []ggufTensor
	align   int
}

type ggufPair struct {
	key   string
	value any // bool, uint32, uint64, int32, float32, string, []string, []int32, []bool, []float32
}

type ggufTensor struct {
	name  string
	shape []int // outermost first
	kind  uint32
	data  []byte
}

func (g *ggufFile) set(key string, value any) { g.pairs = append(g.pairs, ggufPair{key, value}) }

func (g *ggufFile) bytes() []byte {
	b := new(bytes.Buffer)
	put := func(v any) { _ = binary.Write(b, binary.LittleEndian, v) }
	str := func(s string) { put(uint64(len(s))); b.WriteString(s) }
	b.WriteString("GGUF")
	put(g.version)
	put(uint64(len(g.tensors)))
	put(uint64(len(g.pairs)))
	for _, p := range g.pairs {
		str(p.key)
		switch v := p.value.(type) {
		case uint32:
			put(uint32(ggufUint32))
			put(v)
		case int32:
			put(uint32(ggufInt32))
			put(v)
		case uint64:
			put(uint32(ggufUint64))
			put(v)
		case float32:
			put(uint32(ggufFloat32))
			put(v)
		case bool:
			put(uint32(ggufBool))
			put(v)
		case string:
			put(uint32(ggufString))
			str(v)
		case []string:
			put([]uint32{ggufArray, ggufString})
			put(uint64(len(v)))
			for _, s := range v {
				str(s)
			}
		case []int32:
			put([]uint32{ggufArray, ggufInt32})
			put(uint64(len(v)))
			put(v)
		case []bool:
			put([]uint32{ggufArray, ggufBool})
			put(uint64(len(v)))
			put(v)
		case []float32:
			put([]uint32{ggufArray, ggufFloat32})
			put(uint64(len(v)))
			put(v)
		default:
			panic(fmt.Sprintf("%s: %T", p.key, v))
		}
	}
	offset, offsets := 0, make([]int, len(g.tensors))
	for i, t := range g.tensors {
		offsets[i] = offset
		offset += (len(t.data) + g.align - 1) / g.align * g.align
	}
	// The descriptions come in another order than the data: readers must not take one for the other.
	order := rand.New(rand.NewPCG(1, uint64(len(g.tensors)))).Perm(len(g.tensors))
	for _, i := range order {
		t := g.tensors[i]
		str(t.name)
		put(uint32(len(t.shape)))
		for _, d := range slices.Backward(t.shape) {
			put(uint64(d))
		}
		put(t.kind)
		put(uint64(offsets[i]))
	}
	pad := func() {
		for b.Len()%g.align != 0 {
			b.WriteByte(0)
		}
	}
	pad()
	for _, t := range g.tensors {
		b.Write(t.data)
		pad()
	}
	return b.Bytes()
}

func floatBytes(values []float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// toGGUF does what llama.cpp's converter does to a checkpoint of transformers: other names, another order of rows for
// q and k of llama, norms of gemma with 1 added, rotary scaling of llama3 as a tensor of factors.
func toGGUF(c lm.Config, values map[string][]float32) *ggufFile {
	g := &ggufFile{version: 3, align: 32}
	arch := ggufArch(c.Family)
	key := func(k string, v any) { g.set(arch+"."+k, v) }
	g.set("general.architecture", arch)
	g.set("general.type", "model")
	key("block_count", uint32(c.Layers))
	key("context_length", uint32(c.MaxPositions))
	key("embedding_length", uint32(c.HiddenSize))
	key("feed_forward_length", uint32(c.IntermediateSize))
	key("attention.head_count", uint32(c.Heads))
	if arch == "lfm2" {
		heads := make([]int32, c.Layers)
		for i := range heads {
			if c.Has(i, lm.K) {
				heads[i] = int32(c.KVHeads)
			}
		}
		key("attention.head_count_kv", heads)
		key("shortconv.l_cache", uint32(c.ConvKernel))
	} else {
		key("attention.head_count_kv", uint32(c.KVHeads))
	}
	if c.LayerNorm {
		key("attention.layer_norm_epsilon", float32(c.NormEps))
	} else {
		key("attention.layer_norm_rms_epsilon", float32(c.NormEps))
	}
	switch arch {
	case "granite":
		key("attention.scale", float32(c.AttentionScale))
		key("embedding_scale", float32(c.EmbedScale))
		key("residual_scale", float32(c.ResidualScale))
		key("logit_scale", float32(1/c.LogitScale))
	case "cohere2":
		key("logit_scale", float32(c.LogitScale))
	case "mistral3":
		key("attention.temperature_scale", float32(c.QueryBeta))
		key("rope.scaling.yarn_log_multiplier", float32(1))
	}
	if e := c.Experts; e.Count > 0 {
		key("expert_count", uint32(e.Count))
		key("expert_used_count", uint32(e.Used))
		if arch == "qwen3moe" || arch == "gpt-oss" {
			key("expert_feed_forward_length", uint32(e.Size))
		}
	}
	rope := c.Ropes[0]
	key("rope.freq_base", float32(rope.Theta))
	if arch == "gemma3" {
		key("rope.freq_base_swa", float32(c.Ropes[1].Theta))
	}
	if c.AttentionSoftcap != 0 {
		key("attn_logit_softcapping", float32(c.AttentionSoftcap))
	}
	if c.FinalSoftcap != 0 {
		key("final_logit_softcapping", float32(c.FinalSoftcap))
	}
	if arch != "phi3" && c.HeadDim*c.Heads != c.HiddenSize {
		key("attention.key_length", uint32(c.HeadDim))
		key("attention.value_length", uint32(c.HeadDim))
	}
	key("rope.dimension_count", uint32(c.RotaryDim))
	if rope.Type == lm.RopeLinear {
		key("rope.scaling.type", "linear")
		key("rope.scaling.factor", float32(rope.Factor))
	}
	if rope.Type == lm.RopeYarn {
		key("rope.scaling.type", "yarn")
		key("rope.scaling.factor", float32(rope.Factor))
		key("rope.scaling.original_context_length", uint32(rope.OriginalContext))
		key("rope.scaling.yarn_beta_fast", float32(rope.BetaFast))
		key("rope.scaling.yarn_beta_slow", float32(rope.BetaSlow))
	}
	if window := slices.Max(c.Windows); window > 0 {
		key("attention.sliding_window", uint32(window))
		if arch != "llama" && arch != "phi3" { // of these, all layers slide
			slides := make([]bool, c.Layers)
			for i, w := range c.Windows {
				slides[i] = w > 0
			}
			key("attention.sliding_window_pattern", slides)
		}
	}
	tokens := make([]string, c.VocabSize)
	for i := range tokens {
		tokens[i] = fmt.Sprint("t", i)
	}
	g.set("tokenizer.ggml.tokens", tokens)
	g.set("tokenizer.ggml.bos_token_id", uint32(c.BOS))
	g.set("tokenizer.ggml.eos_token_id", uint32(c.EOS[0]))
	g.set("tokenizer.ggml.padding_token_id", uint32(c.Pad))

	for name, shape := range Expected(c) {
		v := slices.Clone(values[name])
		if strings.Contains(name, ".mlp.act_fn.") {
			continue
		}
		rows := shape[0]
		if base, kind, ok := strings.Cut(name, ".experts.gate_up_proj."); ok { // converted apart, [experts, inner, hidden] each
			var halves [2][]float32
			n := len(v) / c.Experts.Count / 2
			for i, half := range slices.Collect(slices.Chunk(v, n)) {
				halves[i%2] = append(halves[i%2], half...)
			}
			for i, part := range []string{"gate", "up"} {
				g.tensors = append(g.tensors, ggufTensor{ggufName(arch, base+".experts."+part+"_proj."+kind), append([]int{c.Experts.Count, rows / c.Experts.Count / 2}, shape[1:]...), 0, floatBytes(halves[i])})
			}
			continue
		}
		if strings.Contains(name, ".experts.down_proj.") {
			shape = append([]int{c.Experts.Count, rows / c.Experts.Count}, shape[1:]...)
		}
		if slices.Contains([]string{"llama", "granite", "smollm3", "mistral3"}, arch) {
			if strings.Contains(name, ".q_proj.") {
				v = interleave(v, c.Heads, rows)
			}
			if strings.Contains(name, ".k_proj.") {
				v = interleave(v, c.KVHeads, rows)
			}
		}
		if strings.HasPrefix(arch, "gemma") && strings.HasSuffix(name, "norm.weight") {
			for i := range v {
				v[i]++
			}
		}
		g.tensors = append(g.tensors, ggufTensor{ggufName(arch, name), shape, 0, floatBytes(v)})
	}
	if arch == "apertus" {
		for _, number := range []string{"alpha_p", "alpha_n", "beta", "eps"} {
			var all []float32
			for i := range c.Layers {
				all = append(all, values[fmt.Sprintf("model.layers.%d.mlp.act_fn.%s", i, number)]...)
			}
			g.set("xielu."+number, all)
		}
	}
	if rope.Type == lm.RopeLlama3 {
		factors := llama3Factors(rope, c.HeadDim)
		g.tensors = append(g.tensors, ggufTensor{"rope_freqs.weight", []int{len(factors)}, 0, floatBytes(factors)})
	}
	if rope.Type == lm.RopeLong {
		g.set(arch+".rope.scaling.original_context_length", uint32(rope.OriginalContext))
		g.set(arch+".rope.scaling.attn_factor", float32(rope.Magnitude))
		for name, factors := range map[string][]float64{"long": rope.Long, "short": rope.Short} {
			var data []float32
			for _, f := range factors {
				data = append(data, float32(f))
			}
			g.tensors = append(g.tensors, ggufTensor{"rope_factors_" + name + ".weight", []int{len(data)}, 0, floatBytes(data)})
		}
	}
	slices.SortFunc(g.tensors, func(a, b ggufTensor) int { return strings.Compare(a.name, b.name) })
	return g
}

// interleave is the converter's reshape(heads, 2, headDim/2, …).swapaxes(1, 2).
func interleave(v []float32, heads, rows int) []float32 {
	n, d := len(v)/rows, rows/heads
	var out []float32
	for h := range heads {
		for j := range d / 2 {
			for i := range 2 {
				row := h*d + i*d/2 + j
				out = append(out, v[row*n:][:n]...)
			}
		}
	}
	return out
}

// ggufArch is the architecture of the converter; "" = it has none, or keeps numbers elsewhere that docent does not read.
func ggufArch(family string) string {
	other := map[string]string{
		"mistral": "llama", "gemma3_text": "gemma3", "olmo3": "olmo2", "ministral3": "mistral3", "hunyuan_v1_dense": "hunyuan-dense",
		"mixtral": "llama", "qwen3_moe": "qwen3moe", "gpt_oss": "gpt-oss", "ministral": "", "helium": "", "nanochat": "",
	}
	if arch, ok := other[family]; ok {
		return arch
	}
	return family
}

// ggufName looks a name up in the tables of the converter, which internal/ci/gguf_names.py wrote down.
func ggufName(arch, name string) string {
	stem, kind := name[:strings.LastIndexByte(name, '.')], name[strings.LastIndexByte(name, '.'):]
	layer := "0"
	if rest, ok := strings.CutPrefix(stem, "model.layers."); ok {
		layer, rest, _ = strings.Cut(rest, ".")
		stem = "model.layers.0." + rest
	}
	if arch == "lfm2" && name == lm.FinalNorm {
		stem = "model.embedding_norm"
	}
	found := ggufNames()[arch][stem]
	if found == "" {
		panic(fmt.Sprintf("gguf-py has no name for %s of %s", name, arch))
	}
	return strings.Replace(found, "blk.0.", "blk."+layer+".", 1) + kind
}

//go:embed testdata/gguf_names.json
var ggufNamesJSON []byte

var ggufNames = sync.OnceValue(func() (names map[string]map[string]string) {
	if err := json.Unmarshal(ggufNamesJSON, &names); err != nil {
		panic(err)
	}
	return names
})

// llama3Factors is the converter's own loop.
func llama3Factors(r lm.Rope, headDim int) []float32 {
	var out []float32
	original := float64(r.OriginalContext)
	for i := 0; i < headDim; i += 2 {
		wavelength := 2 * math.Pi * math.Pow(r.Theta, float64(i)/float64(headDim))
		switch {
		case wavelength < original/r.HighFreq:
			out = append(out, 1)
		case wavelength > original/r.LowFreq:
			out = append(out, float32(r.Factor))
		default:
			smooth := (original/wavelength - r.LowFreq) / (r.HighFreq - r.LowFreq)
			out = append(out, float32(1/((1-smooth)/r.Factor+smooth)))
		}
	}
	return out
}
