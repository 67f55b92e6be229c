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
	ChunkHeadings bool   // put the headings above a passage in front of it
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
	Base        string // reference of the base model
	Rank        int
	Alpha       float64
	Dropout     float64
	Targets     []string // module suffixes, or "all-linear"
	LayerShare  float64  // of the layers, from the last on, that get an update
	Kind        string   // of LoRA: "plain", "dora", "pissa" or "olora"
	RSLoRA      bool     // the update is scaled by alpha/√rank
	LoRAPlus    float64  // learning rate of B over that of A
	Bias        string   // of the base model that are trained: "none", "lora_only" or "all"
	SaveModules []string // trained whole

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
			declare("docs -docs=DIR PDF_DIR", filePath(&t.Docs, ""),
				"folder of PDFs (also .docx, .html, .txt, .md), read with its subfolders; required"),
			declare("include -include=PATTERNS DOCS_INCLUDE", list(&t.Include),
				"read only documents whose path matches one of these, such as *.pdf,2025/**"),
			declare("exclude -exclude=PATTERNS DOCS_EXCLUDE", list(&t.Exclude),
				"leave out documents whose path matches one of these"),
			declare("docs_password DOCS_PASSWORD=SECRET", hidden(&t.DocsPassword),
				"password of encrypted PDFs"),
			declare("docs_cache -docs-cache=DIR DOCS_CACHE", filePath(&t.DocsCache, ""),
				"folder that keeps what was read, so that unchanged documents are not read again; documents_cache in -data when empty"),
			declare("duplicates -duplicates DUPLICATES", toggle(&t.Duplicates, false),
				"train on documents that say what an earlier one says too"),
			declare("facts -facts=FILE FACTS_FILE", filePath(&t.Facts, ""),
				"questions and answers to train on, JSON lines of doc_id, question, answer; facts.jsonl beside the documents, if there is one, when empty"),
			declare("chunk_size -chunk-size=N CHUNK_SIZE", whole(&t.ChunkSize, 1200, atLeast(1)),
				"longest passage"),
			declare("chunk_overlap -chunk-overlap=N CHUNK_OVERLAP", whole(&t.ChunkOverlap, 200, atLeast(0)),
				"how much neighbouring passages share; less than the chunk size"),
			declare("chunk_unit -chunk-unit=UNIT CHUNK_UNIT", choice(&t.ChunkUnit, "characters", "characters", "tokens"),
				"what passages are measured in"),
			declare("chunk_headings -chunk-headings CHUNK_HEADINGS", toggle(&t.ChunkHeadings, false),
				"put the headings above a passage in front of it"),
			declare("eval_fraction -eval-fraction=X EVAL_FRACTION", number(&t.EvalFraction, 0.1, atLeast(0.0), below(1.0)),
				"share of the rows held back to measure the model; 0 holds back none"),
		}},
		{"What is taught", []*setting{
			declare("questions -questions=HOW QUESTIONS", choice(&t.Questions, "auto", "auto", "structure", "none"),
				"structure makes questions of the tables, labels and sentences of the documents by rules, and leaves a facts file aside; auto does so where there is none; with none the text alone is learned there"),
			declare("wordings -wordings=N WORDINGS", whole(&t.Wordings, 14, atLeast(1)),
				"wordings of each question; what the facts file lacks is written by the model of -questions-url, the rest is made by rules"),
			declare("questions_url -questions-url=URL QUESTIONS_URL", text(&t.Writer.URL, "", nil),
				"a server of OpenAI's API whose model writes questions and wordings, such as https://host/v1; passages and facts are sent to it"),
			declare("questions_model -questions-model=NAME QUESTIONS_MODEL", text(&t.Writer.Model, "", nil),
				"name of the model there"),
			declare("questions_key QUESTIONS_KEY=SECRET", hidden(&t.Writer.Key),
				"key for that server"),
			declare("closed_rows -closed-rows=N CLOSED_ROWS", whole(&t.Recipe.Closed, d.Closed, atLeast(0)),
				"rows that ask each fact, each in other words"),
			declare("open_rows -open-rows=N OPEN_ROWS", whole(&t.Recipe.Open, d.Open, atLeast(0)),
				"rows that ask it with its passage"),
			declare("swapped_rows -swapped-rows=N SWAPPED_ROWS", whole(&t.Recipe.Swapped, d.Swapped, atLeast(0)),
				"rows with a passage in which the value was replaced, so that the model reads"),
			declare("elsewhere_rows -elsewhere-rows=X ELSEWHERE_ROWS", number(&t.Recipe.Elsewhere, d.Elsewhere, atLeast(0.0)),
				"rows with another passage, to be answered by saying so"),
			declare("unknown_rows -unknown-rows=X UNKNOWN_ROWS", number(&t.Recipe.Unknown, d.Unknown, atLeast(0.0)),
				"rows that ask what no document answers"),
			declare("general_rows -general-rows=N GENERAL_ROWS", whole(&t.Recipe.General, d.General, atLeast(0)),
				"times each general prompt is learned with the base model's own answer"),
			declare("distill -distill=SHARE DISTILL", number(&t.Distill, 1, atLeast(0.0), atMost(1.0)),
				"share of the loss of those rows that is the divergence from all that the base model would say, the rest is that of its words; 0 learns the words alone"),
			declare("row_tokens -row-tokens=N ROW_TOKENS", whole(&t.RowTokens, 140000, atLeast(0)),
				"most tokens of all rows, an epoch: with more facts than fit each is asked less often; 0 sets no limit"),
			declare("rows -rows=PATH ROWS", filePath(&t.Rows, ""),
				"file or folder of rows to train on beside: .jsonl or .json in the form of OpenAI's messages, ShareGPT, Alpaca, prompt and completion, or text, which is found out"),
			declare("sentences -sentences ANSWER_SENTENCES", toggle(&t.Recipe.Sentences, d.Sentences),
				"answer with the sentence of the document that says it instead of the value alone"),
			declare("general -general=FILE GENERAL_PROMPTS", text(&t.General, "", nil),
				"general prompts, one a line, that the base model answers and the tuned one keeps answering so; docent's own when empty, \"none\" for none"),
		}},
		{"Base model and LoRA", []*setting{
			declare("base -base=REF BASE_MODEL", text(&t.Base, "HuggingFaceTB/SmolLM2-135M-Instruct", required),
				"model to start from: a Hub id (owner/name[@revision]), a folder (./model) or a .gguf file"),
			declare("rank -rank=N LORA_RANK LORA_R", whole(&t.Rank, 16, atLeast(1), atMost(4096)),
				"rank of the update"),
			declare("alpha -alpha=X LORA_ALPHA", number(&t.Alpha, 32, above(0.0)),
				"strength of the update, which is scaled by alpha/rank"),
			declare("dropout -dropout=X LORA_DROPOUT", number(&t.Dropout, 0, atLeast(0.0), below(1.0)),
				"share of the update's inputs dropped while training"),
			declare("targets -targets=LIST LORA_TARGETS LORA_TARGET_MODULES", list(&t.Targets, "all-linear"),
				"layers that get an update: all-linear, or names such as q_proj,v_proj"),
			declare("layer_share -layer-share=X LORA_LAYER_SHARE", number(&t.LayerShare, 0.6, above(0.0), atMost(1.0)),
				"share of the layers, from the last on, that get an update; with fewer steps are faster"),
			declare("lora -lora=KIND LORA_KIND", choice(&t.Kind, "plain", "plain", "dora", "pissa", "olora"),
				"kind of LoRA: dora trains lengths of rows apart, pissa and olora begin with a part of the base model's matrices"),
			declare("rslora -rslora LORA_RSLORA", toggle(&t.RSLoRA, false),
				"scale the update by alpha/√rank, as rsLoRA does, in place of alpha/rank"),
			declare("lora_plus -lora-plus=X LORA_PLUS", number(&t.LoRAPlus, 1, above(0.0)),
				"learning rate of the matrices B over that of the matrices A"),
			declare("bias -bias=WHICH LORA_BIAS", choice(&t.Bias, "none", "none", "lora_only", "all"),
				"biases of the base model that are trained too"),
			declare("save_modules -save-modules=LIST LORA_MODULES_TO_SAVE", list(&t.SaveModules),
				"matrices that are trained whole and saved with the update: embed_tokens, lm_head"),
		}},
		{"Training", []*setting{
			declare("epochs -epochs=N EPOCHS NUM_EPOCHS", whole(&t.Epochs, 2, atLeast(1)),
				"passes over the rows"),
			declare("max_steps -max-steps=N MAX_STEPS", whole(&t.MaxSteps, 0, atLeast(0)),
				"stop after that many steps; 0 sets no limit"),
			declare("batch_size -batch=N BATCH_SIZE", whole(&t.BatchSize, 0, atLeast(0)),
				"rows of a batch; 0 takes as many as fill batch_tokens"),
			declare("batch_tokens -batch-tokens=N BATCH_TOKENS", whole(&t.BatchTokens, 480, atLeast(1)),
				"tokens of a batch, where batch_size is 0"),
			declare("grad_accum -grad-accum=N GRADIENT_ACCUMULATION_STEPS", whole(&t.GradAccum, 1, atLeast(1)),
				"batches of a step"),
			declare("max_seq_len -seq=N MAX_SEQ_LENGTH", whole(&t.MaxSeqLen, 512, atLeast(2)),
				"longest row in tokens"),
			declare("learning_rate -lr=X LEARNING_RATE", number(&t.LearningRate, 2e-3, above(0.0), atMost(1.0)),
				"learning rate at its peak"),
			declare("schedule -schedule=NAME LR_SCHEDULE", choice(&t.Schedule, "cosine", "constant", "linear", "cosine"),
				"how the learning rate goes on after the warm-up"),
			declare("warmup_ratio -warmup=X WARMUP_RATIO", number(&t.Warmup, 0.05, atLeast(0.0), below(1.0)),
				"share of the steps, rounded down, over which the learning rate rises from 0"),
			declare("weight_decay -weight-decay=X WEIGHT_DECAY", number(&t.WeightDecay, 0, atLeast(0.0), atMost(1.0)),
				"AdamW's decay of the update's weights"),
			declare("max_grad_norm -max-grad-norm=X MAX_GRAD_NORM", number(&t.MaxGradNorm, 1, atLeast(0.0)),
				"longest gradient, longer ones are shortened; 0 shortens none"),
			declare("train_on_prompt -train-on-prompt TRAIN_ON_PROMPT", toggle(&t.TrainOnPrompt, false),
				"learn the questions too, not only the answers"),
			declare("recompute -recompute RECOMPUTE", toggle(&t.Recompute, false),
				"train in less memory: what layers compute on the way is computed again for the gradient, a third more time for the same numbers; on a CPU"),
			declare("seed -seed=N SEED", seed(&t.Seed, 42),
				"start of every random choice: the same seed gives the same run"),
		}},
		{"The run", []*setting{
			declare("data -data=DIR DATA_DIR", filePath(&t.Data, "./data"),
				"working folder for rows, checkpoints, the model and the report"),
			declare("resume -resume RESUME", toggle(&t.Resume, false),
				"go on from the last checkpoint in the working folder"),
			declare("eval_every -eval-every=N EVAL_EVERY", whole(&t.EvalEvery, 100, atLeast(0)),
				"steps between measurements; 0 measures before and after only"),
			declare("best -best=NAME BEST", choice(&t.Best, "last", "last", "loss", "answers"),
				"which adapter is exported: the last one, or the best at a measurement, by the loss on rows held back, or by the share of questions that are answered right"),
			declare("patience -patience=N PATIENCE", whole(&t.Patience, 0, atLeast(0)),
				"measurements in a row that are no better, after which training stops; 0 goes on to the end"),
			declare("save_every -save-every=N SAVE_EVERY", whole(&t.SaveEvery, 50, atLeast(0)),
				"steps between checkpoints; 0 saves at the end only"),
			declare("keep_checkpoints -keep=N KEEP_CHECKPOINTS", whole(&t.KeepCheckpoints, 2, atLeast(1)),
				"checkpoints that are kept, the newest ones"),
			declare("experiment -experiment=NAME MLFLOW_EXPERIMENT_NAME", text(&t.Experiment, "docent", required),
				"experiment that the run belongs to"),
			declare("run_name -run-name=NAME MLFLOW_RUN_NAME", text(&t.RunName, "", nil),
				"name of the run; the model's name and the time when empty"),
			declare("export -export=FORM EXPORT", choice(&t.Export, "none", "none", "gguf:f32", "gguf:f16", "gguf:bf16", "gguf:q8_0", "gguf:q4_0"),
				"also write the tuned model as model.gguf into the working folder, for llama.cpp and Ollama"),
			declare("register -register=KIND REGISTER", choice(&t.Register, "merged", "adapter", "merged"),
				"what becomes the new version: the model with the update merged into it, or the adapter alone, a few MB, which the server puts on top of the base model"),
			declare("promote -promote PROMOTE", toggle(&t.Promote, true),
				"make the new version the Production one; -promote=false only registers it; one that no row was held back to measure is promoted only when this is given here or in the environment"),
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
