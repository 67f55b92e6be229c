package mlflow

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
)

const mlmodelFile = "MLmodel"

// description is what MLflow's readers are told about a model.
type description struct {
	artifactPath, runID string
	modelID             string // "" on servers without logged models
	mlflow              string // version of the server
	created             time.Time
}

// tokenizerFiles are copied to where the transformers flavour looks for them, even when they lie at the root as well.
var tokenizerFiles = []string{
	"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json", "added_tokens.json",
	"vocab.json", "merges.txt", "tokenizer.model",
}

const tokenizerDir = "components/tokenizer"

// complete adds MLmodel and what goes with it to the files of fsys, which src holds below prefix. A folder that has an
// MLmodel has the rest too.
func (d description) complete(fsys fs.FS, src *source, prefix string) error {
	text, err := fs.ReadFile(fsys, mlmodelFile)
	if err == nil {
		src.addBytes(path.Join(prefix, mlmodelFile), d.adopt(text))
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var size int64
	have := map[string]bool{}
	for _, f := range src.files {
		size += f.Size
		have[strings.TrimPrefix(strings.TrimPrefix(f.Path, prefix), "/")] = true
	}
	add := func(name, text string) {
		if !have[name] {
			src.addBytes(path.Join(prefix, name), []byte(text))
		}
	}
	weights := slices.ContainsFunc(src.files, func(f registry.File) bool {
		return path.Dir(path.Join("/", f.Path)) == path.Join("/", prefix) && strings.HasSuffix(f.Path, ".safetensors")
	})
	packages := []string{"mlflow==" + d.mlflow, "torch", "transformers"}
	var config hfConfig
	switch {
	case weights && have["config.json"] && have["tokenizer.json"]:
		config, err = readConfig(fsys, "config.json")
	case have["adapter_config.json"] && have["adapter_model.safetensors"]:
		packages = append(packages, "peft")
		config, err = readConfig(fsys, "adapter_config.json")
		config.Base = cmp.Or(config.Base, "unknown")
	default: // nothing that transformers would load
		add(mlmodelFile, d.mlmodel("flavors: {}\n", "", size))
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range tokenizerFiles {
		if !have[name] {
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		add(path.Join(tokenizerDir, name), string(data))
	}
	add("requirements.txt", strings.Join(packages, "\n")+"\n")
	add("python_env.yaml", "python: 3.11.7\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n")
	add("conda.yaml", "channels:\n- conda-forge\ndependencies:\n- python=3.11.7\n- pip\n- pip:\n  - "+strings.Join(packages, "\n  - ")+"\nname: mlflow-env\n")
	add(mlmodelFile, d.mlmodel(config.flavors(have["tokenizer.json"]), signature, size))
	return nil
}

// hfConfig is what of config.json, or of an adapter's adapter_config.json, goes into MLmodel.
type hfConfig struct {
	Base       string `json:"base_model_name_or_path"` // of an adapter
	Name       string `json:"_name_or_path"`
	ModelType  string `json:"model_type"`
	DType      string `json:"dtype"`
	TorchDType string `json:"torch_dtype"` // its name before transformers 5
}

func readConfig(fsys fs.FS, name string) (hfConfig, error) {
	var c hfConfig
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, &registry.Error{Path: name, Err: fmt.Errorf("%w: %w", registry.ErrInvalid, err), Hint: "it must be the model's configuration in JSON"}
	}
	return c, nil
}

const signature = `signature:
  inputs: '[{"type": "string", "required": true}]'
  outputs: '[{"type": "string", "required": true}]'
  params: null
`

// flavors is for mlflow.transformers and mlflow.pyfunc. There is no source_model_revision, which would send the loader
// to the Hub. An adapter is loaded on a base model that the reader has: load_model(uri, base_model_path=FOLDER).
func (c hfConfig) flavors(tokenizer bool) string {
	components, weights := " []", "model_binary: .\n    torch_dtype: "+yamlString("torch."+cmp.Or(c.DType, c.TorchDType, "float32"))
	if tokenizer {
		components = "\n    - tokenizer"
	}
	if c.Base != "" {
		weights = "local_base_model_path: " + yamlString(c.Base) + "\n    peft_adaptor: ."
	}
	return fmt.Sprintf(`flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.transformers
    python_version: 3.11.7
  transformers:
    code: null
    components:%s
    instance_type: TextGenerationPipeline
    %s
    pipeline_model_type: AutoModelForCausalLM
    source_model_name: %s
    task: text-generation
    tokenizer_type: AutoTokenizer
`, components, weights, yamlString(cmp.Or(c.Base, c.Name, c.ModelType)))
}

// mlmodel writes the file, keys in alphabetical order as MLflow does.
func (d description) mlmodel(flavors, signature string, size int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "artifact_path: %s\n%smlflow_version: %s\n", yamlString(d.artifactPath), flavors, yamlString(d.mlflow))
	id := d.modelID
	if id != "" {
		fmt.Fprintf(&b, "model_id: %s\n", id)
	} else {
		id = d.runID
	}
	fmt.Fprintf(&b, "model_size_bytes: %d\nmodel_uuid: %s\nrun_id: %s\n%s", size, id, d.runID, signature)
	fmt.Fprintf(&b, "utc_time_created: '%s'\n", d.created.UTC().Format("2006-01-02 15:04:05.000000"))
	return b.String()
}

// adopt makes an MLmodel name this run and this logged model, which MLflow's readers look up: that of a copied version names
// others, which may not be on this server. The rest of it stays.
func (d description) adopt(mlmodel []byte) []byte {
	own := map[string]string{"artifact_path": yamlString(d.artifactPath), "run_id": d.runID, "model_id": d.modelID, "model_uuid": cmp.Or(d.modelID, d.runID)}
	var out bytes.Buffer
	for line := range bytes.Lines(mlmodel) {
		key, _, _ := strings.Cut(string(line), ":")
		value, ours := own[key]
		switch {
		case !ours:
			out.Write(line)
		case value != "":
			fmt.Fprintf(&out, "%s: %s\n", key, value)
		}
		delete(own, key)
	}
	if !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
		out.WriteByte('\n')
	}
	for _, key := range sortedKeys(own) {
		if own[key] != "" {
			fmt.Fprintf(&out, "%s: %s\n", key, own[key])
		}
	}
	return out.Bytes()
}

// yamlString quotes as JSON does, which YAML reads.
func yamlString(s string) string {
	data, _ := json.Marshal(s) // of a string it never fails
	return string(data)
}
