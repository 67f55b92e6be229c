package config

import (
	"net/url"
	"path/filepath"

	"github.com/docent-ml/docent/dataset/recipe"
)

// Writer is a model behind OpenAI's API that writes questions; none without URL.
type Writer struct {
	URL, Model string
	Key        Secret
}

// Trainer is the configuration of the training program.
type Trainer struct {
	Common

	// Documents and rows.
	Docs          string   // folder of documents
	Include       []string // patterns of paths; none = all
	Exclude       []string
	DocsPassword  Secret // of encrypted PDFs
	DocsCache     string // folder that keeps what was read; documents_cache in Data when empty
	Duplicates    bool   // train on documents that say what an earlier one says too
	Facts         string // JSON lines of doc_id, question, answer
	FactsOptional bool   // Facts is the default place: its absence is no fault
	ChunkSize     int    // in ChunkUnit
	ChunkOverlap  int    // in ChunkUnit, < ChunkSize
	ChunkUnit     string // "characters" or "tokens"
	EvalFraction  float64
	Questions     string        // how they are made of the documents: "auto" (where there is no facts file), "structure" or "none"
	Wordings      int           // of each question, those of the facts file among them
	Writer        Writer        // a model that writes questions and wordings too
	Recipe        recipe.Recipe // rows of each kind
	Distill       float64       // share of the loss of general rows
	RowTokens     int           // most tokens of all rows; 0 = no limit
	Rows          string        // file or folder of the caller's own rows; "" = none
	General       string        // file of general prompts; "" = docent's own, "none" = none

	// Model and update.
	Base       string // reference of the base model
	Rank       int
	Alpha      float64
	Dropout    float64
	Targets    []string // module suffixes, or "all-linear"
	LayerShare float64  // of the layers, from the last on, that get an update

	// Optimisation.
	Epochs        int
	MaxSteps      int // 0 = no limit
	BatchSize     int // rows; 0 = as many as fill BatchTokens
	BatchTokens   int // positions
	GradAccum     int // batches per step
	MaxSeqLen     int // tokens
	LearningRate  float64
	Schedule      string  // "constant", "linear" or "cosine"
	Warmup        float64 // share of the steps
	WeightDecay   float64
	MaxGradNorm   float64 // 0 = no clipping
	TrainOnPrompt bool
	Recompute     bool
	Seed          uint64

	// The run.
	Data            string // working folder: see the methods
	Resume          bool
	EvalEvery       int    // steps; 0 = before and after only
	Best            string // which adapter is exported: "last", or the best of the evaluations by "loss" or "answers"
	Patience        int    // evaluations in a row that are no better, after which training stops; 0 = it does not
	SaveEvery       int    // steps; 0 = at the end only
	KeepCheckpoints int
	Experiment      string
	RunName         string // "" = chosen by the program
	Export          string // "none", or "gguf:" and how weights are stored
	Promote         bool
	PromoteAsked    bool   // Promote is set by flag or environment: a version that nothing was held back to measure is promoted too
	Register        string // adapter or merged
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
	d := recipe.Default()
	return []group{
		{"Documents", []*setting{
			{
				key: "docs", flag: "docs", env: "PDF_DIR", arg: "DIR",
				help:  "folder of PDFs (also .docx, .html, .txt, .md), read with its subfolders; required",
				value: filePath(&t.Docs, ""),
			},
			{
				key: "include", flag: "include", env: "DOCS_INCLUDE", arg: "PATTERNS",
				help:  "read only documents whose path matches one of these, such as *.pdf,2025/**",
				value: list(&t.Include),
			},
			{
				key: "exclude", flag: "exclude", env: "DOCS_EXCLUDE", arg: "PATTERNS",
				help:  "leave out documents whose path matches one of these",
				value: list(&t.Exclude),
			},
			{
				key: "docs_password", env: "DOCS_PASSWORD", arg: "SECRET", secret: true,
				help:  "password of encrypted PDFs",
				value: hidden(&t.DocsPassword),
			},
			{
				key: "docs_cache", flag: "docs-cache", env: "DOCS_CACHE", arg: "DIR",
				help:  "folder that keeps what was read, so that unchanged documents are not read again; documents_cache in -data when empty",
				value: filePath(&t.DocsCache, ""),
			},
			{
				key: "duplicates", flag: "duplicates", env: "DUPLICATES",
				help:  "train on documents that say what an earlier one says too",
				value: toggle(&t.Duplicates, false),
			},
			{
				key: "facts", flag: "facts", env: "FACTS_FILE", arg: "FILE",
				help:  "questions and answers to train on, JSON lines of doc_id, question, answer; facts.jsonl beside the documents, if there is one, when empty",
				value: filePath(&t.Facts, ""),
			},
			{
				key: "chunk_size", flag: "chunk-size", env: "CHUNK_SIZE", arg: "N",
				help:  "longest passage",
				value: whole(&t.ChunkSize, 1200, atLeast(1)),
			},
			{
				key: "chunk_overlap", flag: "chunk-overlap", env: "CHUNK_OVERLAP", arg: "N",
				help:  "how much neighbouring passages share; less than the chunk size",
				value: whole(&t.ChunkOverlap, 200, atLeast(0)),
			},
			{
				key: "chunk_unit", flag: "chunk-unit", env: "CHUNK_UNIT", arg: "UNIT",
				help:  "what passages are measured in",
				value: choice(&t.ChunkUnit, "characters", "characters", "tokens"),
			},
			{
				key: "eval_fraction", flag: "eval-fraction", env: "EVAL_FRACTION", arg: "X",
				help:  "share of the rows held back to measure the model; 0 holds back none",
				value: number(&t.EvalFraction, 0.1, atLeast(0.0), below(1.0)),
			},
		}},
		{"What is taught", []*setting{
			{
				key: "questions", flag: "questions", env: "QUESTIONS", arg: "HOW",
				help:  "structure makes questions of the tables, labels and sentences of the documents by rules, and leaves a facts file aside; auto does so where there is none; with none the text alone is learned there",
				value: choice(&t.Questions, "auto", "auto", "structure", "none"),
			},
			{
				key: "wordings", flag: "wordings", env: "WORDINGS", arg: "N",
				help:  "wordings of each question; what the facts file lacks is written by the model of -questions-url, the rest is made by rules",
				value: whole(&t.Wordings, 10, atLeast(1)),
			},
			{
				key: "questions_url", flag: "questions-url", env: "QUESTIONS_URL", arg: "URL",
				help:  "a server of OpenAI's API whose model writes questions and wordings, such as https://host/v1; passages and facts are sent to it",
				value: text(&t.Writer.URL, "", nil),
			},
			{
				key: "questions_model", flag: "questions-model", env: "QUESTIONS_MODEL", arg: "NAME",
				help:  "name of the model there",
				value: text(&t.Writer.Model, "", nil),
			},
			{
				key: "questions_key", env: "QUESTIONS_KEY", arg: "SECRET", secret: true,
				help:  "key for that server",
				value: hidden(&t.Writer.Key),
			},
			{
				key: "closed_rows", flag: "closed-rows", env: "CLOSED_ROWS", arg: "N",
				help:  "rows that ask each fact, each in other words",
				value: whole(&t.Recipe.Closed, d.Closed, atLeast(0)),
			},
			{
				key: "open_rows", flag: "open-rows", env: "OPEN_ROWS", arg: "N",
				help:  "rows that ask it with its passage",
				value: whole(&t.Recipe.Open, d.Open, atLeast(0)),
			},
			{
				key: "swapped_rows", flag: "swapped-rows", env: "SWAPPED_ROWS", arg: "N",
				help:  "rows with a passage in which the value was replaced, so that the model reads",
				value: whole(&t.Recipe.Swapped, d.Swapped, atLeast(0)),
			},
			{
				key: "elsewhere_rows", flag: "elsewhere-rows", env: "ELSEWHERE_ROWS", arg: "X",
				help:  "rows with another passage, to be answered by saying so",
				value: number(&t.Recipe.Elsewhere, d.Elsewhere, atLeast(0.0)),
			},
			{
				key: "unknown_rows", flag: "unknown-rows", env: "UNKNOWN_ROWS", arg: "X",
				help:  "rows that ask what no document answers",
				value: number(&t.Recipe.Unknown, d.Unknown, atLeast(0.0)),
			},
			{
				key: "general_rows", flag: "general-rows", env: "GENERAL_ROWS", arg: "N",
				help:  "times each general prompt is learned with the base model's own answer",
				value: whole(&t.Recipe.General, d.General, atLeast(0)),
			},
			{
				key: "distill", flag: "distill", env: "DISTILL", arg: "SHARE",
				help:  "share of the loss of those rows that is the divergence from all that the base model would say, the rest is that of its words; 0 learns the words alone",
				value: number(&t.Distill, 1, atLeast(0.0), atMost(1.0)),
			},
			{
				key: "row_tokens", flag: "row-tokens", env: "ROW_TOKENS", arg: "N",
				help:  "most tokens of all rows, an epoch: with more facts than fit each is asked less often; 0 sets no limit",
				value: whole(&t.RowTokens, 100000, atLeast(0)),
			},
			{
				key: "rows", flag: "rows", env: "ROWS", arg: "PATH",
				help:  "file or folder of rows to train on beside: .jsonl or .json in the form of OpenAI's messages, ShareGPT, Alpaca, prompt and completion, or text, which is found out",
				value: filePath(&t.Rows, ""),
			},
			{
				key: "sentences", flag: "sentences", env: "ANSWER_SENTENCES",
				help:  "answer with the sentence of the document that says it instead of the value alone",
				value: toggle(&t.Recipe.Sentences, d.Sentences),
			},
			{
				key: "general", flag: "general", env: "GENERAL_PROMPTS", arg: "FILE",
				help:  "general prompts, one a line, that the base model answers and the tuned one keeps answering so; docent's own when empty, \"none\" for none",
				value: text(&t.General, "", nil),
			},
		}},
		{"Base model and LoRA", []*setting{
			{
				key: "base", flag: "base", env: "BASE_MODEL", arg: "REF",
				help:  "model to start from: a Hub id (owner/name[@revision]), a folder (./model) or a .gguf file",
				value: text(&t.Base, "HuggingFaceTB/SmolLM2-135M-Instruct", required),
			},
			{
				key: "rank", flag: "rank", env: "LORA_RANK LORA_R", arg: "N",
				help:  "rank of the update",
				value: whole(&t.Rank, 16, atLeast(1), atMost(4096)),
			},
			{
				key: "alpha", flag: "alpha", env: "LORA_ALPHA", arg: "X",
				help:  "strength of the update, which is scaled by alpha/rank",
				value: number(&t.Alpha, 32, above(0.0)),
			},
			{
				key: "dropout", flag: "dropout", env: "LORA_DROPOUT", arg: "X",
				help:  "share of the update's inputs dropped while training",
				value: number(&t.Dropout, 0, atLeast(0.0), below(1.0)),
			},
			{
				key: "targets", flag: "targets", env: "LORA_TARGETS LORA_TARGET_MODULES", arg: "LIST",
				help:  "layers that get an update: all-linear, or names such as q_proj,v_proj",
				value: list(&t.Targets, "all-linear"),
			},
			{
				key: "layer_share", flag: "layer-share", env: "LORA_LAYER_SHARE", arg: "X",
				help:  "share of the layers, from the last on, that get an update; with fewer steps are faster",
				value: number(&t.LayerShare, 0.6, above(0.0), atMost(1.0)),
			},
		}},
		{"Training", []*setting{
			{
				key: "epochs", flag: "epochs", env: "EPOCHS NUM_EPOCHS", arg: "N",
				help:  "passes over the rows",
				value: whole(&t.Epochs, 2, atLeast(1)),
			},
			{
				key: "max_steps", flag: "max-steps", env: "MAX_STEPS", arg: "N",
				help:  "stop after that many steps; 0 sets no limit",
				value: whole(&t.MaxSteps, 0, atLeast(0)),
			},
			{
				key: "batch_size", flag: "batch", env: "BATCH_SIZE", arg: "N",
				help:  "rows of a batch; 0 takes as many as fill batch_tokens",
				value: whole(&t.BatchSize, 0, atLeast(0)),
			},
			{
				key: "batch_tokens", flag: "batch-tokens", env: "BATCH_TOKENS", arg: "N",
				help:  "tokens of a batch, where batch_size is 0",
				value: whole(&t.BatchTokens, 480, atLeast(1)),
			},
			{
				key: "grad_accum", flag: "grad-accum", env: "GRADIENT_ACCUMULATION_STEPS", arg: "N",
				help:  "batches of a step",
				value: whole(&t.GradAccum, 1, atLeast(1)),
			},
			{
				key: "max_seq_len", flag: "seq", env: "MAX_SEQ_LENGTH", arg: "N",
				help:  "longest row in tokens",
				value: whole(&t.MaxSeqLen, 512, atLeast(2)),
			},
			{
				key: "learning_rate", flag: "lr", env: "LEARNING_RATE", arg: "X",
				help:  "learning rate at its peak",
				value: number(&t.LearningRate, 2e-3, above(0.0), atMost(1.0)),
			},
			{
				key: "schedule", flag: "schedule", env: "LR_SCHEDULE", arg: "NAME",
				help:  "how the learning rate goes on after the warm-up",
				value: choice(&t.Schedule, "cosine", "constant", "linear", "cosine"),
			},
			{
				key: "warmup_ratio", flag: "warmup", env: "WARMUP_RATIO", arg: "X",
				help:  "share of the steps, rounded down, over which the learning rate rises from 0",
				value: number(&t.Warmup, 0.05, atLeast(0.0), below(1.0)),
			},
			{
				key: "weight_decay", flag: "weight-decay", env: "WEIGHT_DECAY", arg: "X",
				help:  "AdamW's decay of the update's weights",
				value: number(&t.WeightDecay, 0, atLeast(0.0), atMost(1.0)),
			},
			{
				key: "max_grad_norm", flag: "max-grad-norm", env: "MAX_GRAD_NORM", arg: "X",
				help:  "longest gradient, longer ones are shortened; 0 shortens none",
				value: number(&t.MaxGradNorm, 1, atLeast(0.0)),
			},
			{
				key: "train_on_prompt", flag: "train-on-prompt", env: "TRAIN_ON_PROMPT",
				help:  "learn the questions too, not only the answers",
				value: toggle(&t.TrainOnPrompt, false),
			},
			{
				key: "recompute", flag: "recompute", env: "RECOMPUTE",
				help:  "train in less memory: what layers compute on the way is computed again for the gradient, a third more time for the same numbers; on a CPU",
				value: toggle(&t.Recompute, false),
			},
			{
				key: "seed", flag: "seed", env: "SEED", arg: "N",
				help:  "start of every random choice: the same seed gives the same run",
				value: seed(&t.Seed, 42),
			},
		}},
		{"The run", []*setting{
			{
				key: "data", flag: "data", env: "DATA_DIR", arg: "DIR",
				help:  "working folder for rows, checkpoints, the model and the report",
				value: filePath(&t.Data, "./data"),
			},
			{
				key: "resume", flag: "resume", env: "RESUME",
				help:  "go on from the last checkpoint in the working folder",
				value: toggle(&t.Resume, false),
			},
			{
				key: "eval_every", flag: "eval-every", env: "EVAL_EVERY", arg: "N",
				help:  "steps between measurements; 0 measures before and after only",
				value: whole(&t.EvalEvery, 100, atLeast(0)),
			},
			{
				key: "best", flag: "best", env: "BEST", arg: "NAME",
				help:  "which adapter is exported: the last one, or the best at a measurement, by the loss on rows held back, or by the share of questions that are answered right",
				value: choice(&t.Best, "last", "last", "loss", "answers"),
			},
			{
				key: "patience", flag: "patience", env: "PATIENCE", arg: "N",
				help:  "measurements in a row that are no better, after which training stops; 0 goes on to the end",
				value: whole(&t.Patience, 0, atLeast(0)),
			},
			{
				key: "save_every", flag: "save-every", env: "SAVE_EVERY", arg: "N",
				help:  "steps between checkpoints; 0 saves at the end only",
				value: whole(&t.SaveEvery, 50, atLeast(0)),
			},
			{
				key: "keep_checkpoints", flag: "keep", env: "KEEP_CHECKPOINTS", arg: "N",
				help:  "checkpoints that are kept, the newest ones",
				value: whole(&t.KeepCheckpoints, 2, atLeast(1)),
			},
			{
				key: "experiment", flag: "experiment", env: "MLFLOW_EXPERIMENT_NAME", arg: "NAME",
				help:  "experiment that the run belongs to",
				value: text(&t.Experiment, "docent", required),
			},
			{
				key: "run_name", flag: "run-name", env: "MLFLOW_RUN_NAME", arg: "NAME",
				help:  "name of the run; the model's name and the time when empty",
				value: text(&t.RunName, "", nil),
			},
			{
				key: "export", flag: "export", env: "EXPORT", arg: "FORM",
				help:  "also write the tuned model as model.gguf into the working folder, for llama.cpp and Ollama",
				value: choice(&t.Export, "none", "none", "gguf:f32", "gguf:f16", "gguf:bf16", "gguf:q8_0", "gguf:q4_0"),
			},
			{
				key: "register", flag: "register", env: "REGISTER", arg: "KIND",
				help:  "what becomes the new version: the model with the update merged into it, or the adapter alone, a few MB, which the server puts on top of the base model",
				value: choice(&t.Register, "merged", "adapter", "merged"),
			},
			{
				key: "promote", flag: "promote", env: "PROMOTE",
				help:  "make the new version the Production one; -promote=false only registers it; one that no row was held back to measure is promoted only when this is given here or in the environment",
				value: toggle(&t.Promote, true),
			},
		}},
	}
}

// finish checks and works out what depends on several settings.
func (t *Trainer) finish(l *loader) {
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
