package config

import (
	"net/url"
	"path/filepath"

	"github.com/docent-ml/docent/dataset/recipe"
)

// Trainer is the configuration of the training program.
type Trainer struct {
	Common

	Docs          string   `set:"docs -docs=DIR PDF_DIR" group:"Documents" help:"folder of PDFs (also .docx, .html, .txt, .md), read with its subfolders; required"`
	Include       []string `set:"include -include=PATTERNS DOCS_INCLUDE" help:"read only documents whose path matches one of these, such as *.pdf,2025/**"`
	Exclude       []string `set:"exclude -exclude=PATTERNS DOCS_EXCLUDE" help:"leave out documents whose path matches one of these"`
	DocsPassword  Secret   `set:"docs_password DOCS_PASSWORD=SECRET" help:"password of encrypted PDFs"`
	DocsCache     string   `set:"docs_cache -docs-cache=DIR DOCS_CACHE" help:"folder that keeps what was read, so that unchanged documents are not read again; documents_cache in -data when empty"`
	Duplicates    bool     `set:"duplicates -duplicates DUPLICATES" help:"train on documents that say what an earlier one says too"`
	Facts         string   `set:"facts -facts=FILE FACTS_FILE" help:"questions and answers to train on, JSON lines of doc_id, question, answer; facts.jsonl beside the documents, if there is one, when empty"`
	FactsOptional bool     // Facts is the default place: its absence is no fault
	ChunkSize     int      `set:"chunk_size -chunk-size=N CHUNK_SIZE" default:"1200" must:">= 1" help:"longest passage"`
	ChunkOverlap  int      `set:"chunk_overlap -chunk-overlap=N CHUNK_OVERLAP" default:"200" must:">= 0" help:"how much neighbouring passages share; less than the chunk size"`
	ChunkUnit     string   `set:"chunk_unit -chunk-unit=UNIT CHUNK_UNIT" default:"characters" one:"characters, tokens" help:"what passages are measured in"`
	ChunkHeadings bool     `set:"chunk_headings -chunk-headings CHUNK_HEADINGS" help:"put the headings above a passage in front of it"`
	EvalFraction  float64  `set:"eval_fraction -eval-fraction=X EVAL_FRACTION" default:"0.1" must:">= 0, < 1" help:"share of the rows held back to measure the model; 0 holds back none"`

	Questions string `set:"questions -questions=HOW QUESTIONS" group:"What is taught" default:"auto" one:"auto, structure, none" help:"structure makes questions of the tables, labels and sentences of the documents by rules, and leaves a facts file aside; auto does so where there is none; with none the text alone is learned there"`
	Wordings  int    `set:"wordings -wordings=N WORDINGS" default:"14" must:">= 1" help:"wordings of each question; what the facts file lacks is written by the model of -questions-url, the rest is made by rules"`
	Writer    Writer
	RowKinds  RowKinds // as Recipe, which is made of it
	Distill   float64  `set:"distill -distill=SHARE DISTILL" default:"1" must:">= 0, <= 1" help:"share of the loss of those rows that is the divergence from all that the base model would say, the rest is that of its words; 0 learns the words alone"`
	RowTokens int      `set:"row_tokens -row-tokens=N ROW_TOKENS" default:"140000" must:">= 0" help:"most tokens of all rows, an epoch: with more facts than fit each is asked less often, and general prompts take a fifth at most; 0 sets no limit"`
	Rows      string   `set:"rows -rows=PATH ROWS" help:"file or folder of rows to train on beside: .jsonl or .json in the form of OpenAI's messages, ShareGPT, Alpaca, prompt and completion, or text, which is found out"`
	General   string   `set:"general -general=FILE GENERAL_PROMPTS" help:"general prompts, one a line, that the base model answers and the tuned one keeps answering so; docent's own when empty, \"none\" for none"`

	Base        string   `set:"base -base=REF BASE_MODEL" group:"Base model and LoRA" default:"HuggingFaceTB/SmolLM2-135M-Instruct" parse:"required" help:"model to start from: a Hub id (owner/name[@revision]), a folder (./model) or a .gguf file"`
	Rank        int      `set:"rank -rank=N LORA_RANK LORA_R" default:"16" must:">= 1, <= 4096" help:"rank of the update"`
	Alpha       float64  `set:"alpha -alpha=X LORA_ALPHA" default:"32" must:"> 0" help:"strength of the update, which is scaled by alpha/rank"`
	Dropout     float64  `set:"dropout -dropout=X LORA_DROPOUT" must:">= 0, < 1" help:"share of the update's inputs dropped while training"`
	Targets     []string `set:"targets -targets=LIST LORA_TARGETS LORA_TARGET_MODULES" default:"all-linear" help:"layers that get an update: all-linear, or names such as q_proj,v_proj"`
	LayerShare  float64  `set:"layer_share -layer-share=X LORA_LAYER_SHARE" default:"0.6" must:"> 0, <= 1" help:"share of the layers, from the last on, that get an update; with fewer steps are faster"`
	Kind        string   `set:"lora -lora=KIND LORA_KIND" default:"plain" one:"plain, dora, pissa, olora" help:"kind of LoRA: dora trains lengths of rows apart, pissa and olora begin with a part of the base model's matrices"`
	RSLoRA      bool     `set:"rslora -rslora LORA_RSLORA" help:"scale the update by alpha/√rank, as rsLoRA does, in place of alpha/rank"`
	LoRAPlus    float64  `set:"lora_plus -lora-plus=X LORA_PLUS" default:"1" must:"> 0" help:"learning rate of the matrices B over that of the matrices A"`
	Bias        string   `set:"bias -bias=WHICH LORA_BIAS" default:"none" one:"none, lora_only, all" help:"biases of the base model that are trained too"`
	SaveModules []string `set:"save_modules -save-modules=LIST LORA_MODULES_TO_SAVE" help:"matrices that are trained whole and saved with the update: embed_tokens, lm_head"`

	Epochs        int     `set:"epochs -epochs=N EPOCHS NUM_EPOCHS" group:"Training" default:"2" must:">= 1" help:"passes over the rows"`
	MaxSteps      int     `set:"max_steps -max-steps=N MAX_STEPS" must:">= 0" help:"stop after that many steps; 0 sets no limit"`
	BatchSize     int     `set:"batch_size -batch=N BATCH_SIZE" must:">= 0" help:"rows of a batch; 0 takes as many as fill batch_tokens"`
	BatchTokens   int     `set:"batch_tokens -batch-tokens=N BATCH_TOKENS" default:"480" must:">= 1" help:"tokens of a batch, where batch_size is 0"`
	GradAccum     int     `set:"grad_accum -grad-accum=N GRADIENT_ACCUMULATION_STEPS" default:"1" must:">= 1" help:"batches of a step"`
	MaxSeqLen     int     `set:"max_seq_len -seq=N MAX_SEQ_LENGTH" default:"512" must:">= 2" help:"longest row in tokens"`
	LearningRate  float64 `set:"learning_rate -lr=X LEARNING_RATE" default:"0.002" must:"> 0, <= 1" help:"learning rate at its peak"`
	Schedule      string  `set:"schedule -schedule=NAME LR_SCHEDULE" default:"cosine" one:"constant, linear, cosine" help:"how the learning rate goes on after the warm-up"`
	Warmup        float64 `set:"warmup_ratio -warmup=X WARMUP_RATIO" default:"0.05" must:">= 0, < 1" help:"share of the steps, rounded down, over which the learning rate rises from 0"`
	WeightDecay   float64 `set:"weight_decay -weight-decay=X WEIGHT_DECAY" must:">= 0, <= 1" help:"AdamW's decay of the update's weights"`
	MaxGradNorm   float64 `set:"max_grad_norm -max-grad-norm=X MAX_GRAD_NORM" default:"1" must:">= 0" help:"longest gradient, longer ones are shortened; 0 shortens none"`
	TrainOnPrompt bool    `set:"train_on_prompt -train-on-prompt TRAIN_ON_PROMPT" help:"learn the questions too, not only the answers"`
	Recompute     bool    `set:"recompute -recompute RECOMPUTE" help:"train in less memory: what layers compute on the way is computed again for the gradient, a third more time for the same numbers"`
	AllDevices    bool    `set:"all_devices -all-devices ALL_DEVICES" help:"train on all GPUs that XLA finds, each on a share of every step; otherwise on the first"`
	Seed          uint64  `set:"seed -seed=N SEED" default:"42" help:"start of every random choice: the same seed gives the same run"`

	Data            string `set:"data -data=DIR DATA_DIR" group:"The run" default:"./data" help:"working folder for rows, checkpoints, the model and the report"`
	Resume          bool   `set:"resume -resume RESUME" help:"go on from the last checkpoint in the working folder"`
	EvalEvery       int    `set:"eval_every -eval-every=N EVAL_EVERY" default:"100" must:">= 0" help:"steps between measurements; 0 measures before and after only"`
	Best            string `set:"best -best=NAME BEST" default:"last" one:"last, loss, answers" help:"which adapter is exported: the last one, or the best at a measurement, by the loss on rows held back, or by the share of questions that are answered right"`
	Patience        int    `set:"patience -patience=N PATIENCE" must:">= 0" help:"measurements in a row that are no better, after which training stops; 0 goes on to the end"`
	SaveEvery       int    `set:"save_every -save-every=N SAVE_EVERY" default:"50" must:">= 0" help:"steps between checkpoints; 0 saves at the end only"`
	KeepCheckpoints int    `set:"keep_checkpoints -keep=N KEEP_CHECKPOINTS" default:"2" must:">= 1" help:"checkpoints that are kept, the newest ones"`
	Experiment      string `set:"experiment -experiment=NAME MLFLOW_EXPERIMENT_NAME" default:"docent" parse:"required" help:"experiment that the run belongs to"`
	RunName         string `set:"run_name -run-name=NAME MLFLOW_RUN_NAME" help:"name of the run; the model's name and the time when empty"`
	Export          string `set:"export -export=FORM EXPORT" default:"none" one:"none, gguf:f32, gguf:f16, gguf:bf16, gguf:q8_0, gguf:q4_0" help:"also write the tuned model as model.gguf into the working folder, for llama.cpp and Ollama"`
	Register        string `set:"register -register=KIND REGISTER" default:"merged" one:"adapter, merged" help:"what becomes the new version: the model with the update merged into it, or the adapter alone, a few MB, which the server puts on top of the base model"`
	Promote         bool   `set:"promote -promote PROMOTE" default:"true" help:"make the new version the Production one; -promote=false only registers it; one that no row was held back to measure is promoted only when this is given here or in the environment"`
	PromoteAsked    bool   // Promote is set by flag or environment: a version that nothing was held back to measure is promoted too

	Recipe recipe.Recipe
}

// Writer is a model behind OpenAI's API that writes questions; none without URL.
type Writer struct {
	URL   string `set:"questions_url -questions-url=URL QUESTIONS_URL" help:"a server of OpenAI's API whose model writes questions and wordings, such as https://host/v1; passages and facts are sent to it"`
	Model string `set:"questions_model -questions-model=NAME QUESTIONS_MODEL" help:"name of the model there"`
	Key   Secret `set:"questions_key QUESTIONS_KEY=SECRET" help:"key for that server"`
}

// RowKinds are the fields of [recipe.Recipe], whose defaults they have.
type RowKinds struct {
	Closed    int     `set:"closed_rows -closed-rows=N CLOSED_ROWS" must:">= 0" help:"rows that ask each fact, each in other words"`
	Open      int     `set:"open_rows -open-rows=N OPEN_ROWS" must:">= 0" help:"rows that ask it with its passage"`
	Swapped   int     `set:"swapped_rows -swapped-rows=N SWAPPED_ROWS" must:">= 0" help:"rows with a passage in which the value was replaced, so that the model reads"`
	Elsewhere float64 `set:"elsewhere_rows -elsewhere-rows=X ELSEWHERE_ROWS" must:">= 0" help:"rows with another passage, to be answered by saying so"`
	Unknown   float64 `set:"unknown_rows -unknown-rows=X UNKNOWN_ROWS" must:">= 0" help:"rows that ask what no document answers"`
	Practice  float64 `set:"practice_texts -practice-texts=X PRACTICE_TEXTS" must:">= 0" help:"texts of other documents that come with docent for each fact, read and asked as people ask"`
	General   int     `set:"general_rows -general-rows=N GENERAL_ROWS" must:">= 0" help:"times each general prompt is learned with the base model's own answer"`
	Sentences bool    `set:"sentences -sentences ANSWER_SENTENCES" help:"answer with the sentence of the document that says it instead of the value alone"`
}

// TrainFile holds the rows.
func (t Trainer) TrainFile() string { return filepath.Join(t.Data, "train.jsonl") }

// ChunksFile holds the passages cut from the documents.
func (t Trainer) ChunksFile() string { return filepath.Join(t.Data, "chunks.jsonl") }

// CheckpointDir holds what -resume goes on from.
func (t Trainer) CheckpointDir() string { return filepath.Join(t.Data, "artifacts_tmp") }

// AdapterDir holds the trained update in PEFT's layout.
func (t Trainer) AdapterDir() string { return filepath.Join(t.Data, "adapter") }

// ModelDir holds the merged model in Hugging Face layout.
func (t Trainer) ModelDir() string { return filepath.Join(t.Data, "model_out") }

// ReportFile is the page that tells how the run went.
func (t Trainer) ReportFile() string { return filepath.Join(t.Data, "report.html") }

func (t *Trainer) groups() []group {
	t.RowKinds = RowKinds(recipe.Default())
	return declared(t)
}

// finish checks and works out what depends on several settings.
func (t *Trainer) finish(l *loader) {
	t.Recipe = recipe.Recipe(t.RowKinds)
	if t.Docs == "" {
		l.wrong("docs", "must be set: give %s", l.keys["docs"].howTo())
	}
	if t.ChunkOverlap >= t.ChunkSize {
		l.wrong("chunk_overlap", "must be < chunk_size (%d from %s)", t.ChunkSize, l.keys["chunk_size"].origin())
	}
	if (t.Writer.URL == "") != (t.Writer.Model == "") {
		l.wrong("questions_model", "and questions_url belong together: give both")
	}
	if u, err := url.Parse(t.Writer.URL); t.Writer.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		l.wrong("questions_url", "must be an http or https address without a password in it: set QUESTIONS_KEY")
	}
	if t.Patience > 0 && (t.EvalEvery == 0 || t.Best == "last") {
		l.wrong("patience", "needs eval_every, and best of loss or answers")
	}
	if t.Data == "" {
		l.wrong("data", "must name a folder")
	}
	if t.DocsCache == "" && t.Data != "" {
		t.DocsCache = filepath.Join(t.Data, "documents_cache")
		l.keys["docs_cache"].derived = "in data"
	}
	t.PromoteAsked = t.Promote && l.keys["promote"].layer() > layerDotenv // samples of files repeat the defaults
	if t.Facts == "" && t.Docs != "" {
		t.Facts, t.FactsOptional = filepath.Join(t.Docs, "facts.jsonl"), true
		l.keys["facts"].derived = "beside the documents, if it is there"
	}
}
