// Package registry is where training leaves its record and serving finds its models: runs with parameters, metrics
// and artifacts, and named models whose numbered versions move through stages.
//
// [Registry] is an interface of two halves. A [Tracker] keeps runs; a [Run] is the handle of the one being trained.
// [Models] keeps versions: registered from a run's artifacts, promoted to a [Stage], found again by a [URI] such as
// models:/handbook/Production, and downloaded with every checksum verified. Who promoted what and why is remembered,
// and [Rollback] walks it back.
//
//	run, err := reg.StartRun(ctx, "course-guides", "rank 16", nil)
//	if err != nil {
//		return err
//	}
//	defer run.End(context.WithoutCancel(ctx), registry.Failed) // no effect once the run has ended as it should
//	err = run.LogMetrics(ctx, step, map[string]float64{"loss": loss})
//	…
//	src, err := run.LogModel(ctx, "model", os.DirFS("model_out"))
//	…
//	v, err := reg.Register(ctx, "handbook", src, nil)
//	…
//	v, err = registry.WaitReady(ctx, reg, v)
//	…
//	archived, err := reg.Promote(ctx, v.Name, v.Number, registry.PromoteOptions{})
//	…
//	err = run.End(ctx, registry.Finished)
//
// The package holds the interface, its types and a few helpers; it depends on the standard library alone. Package
// registry/local implements it in a directory of plain files, and package registry/registrytest is the suite that
// every implementation passes. It deletes nothing unless told to ([Prune]), and it does not know what is inside a
// model.
//
// # Rules for every implementation
//
// Concurrency: a Registry and its Runs are safe for several goroutines, and the store behind them for several
// processes. Cancellation: every method honours its context, also in waits and in the middle of a transfer, and an
// error caused by it matches [context.Cause]. Errors: each is an [*Error] that matches one of the sentinels of this
// package or the error of the system underneath. Sequences can be ranged again and hold nothing once left; an error
// that matches [ErrCorrupt] belongs to that item and the sequence goes on, any other error is the last element.
//
// Keys of parameters, metrics and tags are non-empty UTF-8 without control characters. All implementations keep
// letters, digits, '_', '-', '.', '/', ':' and space in keys of up to 250 characters, parameter values of up to 6000
// and tag values of up to 8000 characters; one that has such limits replaces or cuts what goes beyond and says so in
// its log. None drops anything silently.
package registry

import (
	"context"
	"io/fs"
	"iter"
)

// Registry is the whole of it: what the trainer writes to and the server reads from.
type Registry interface {
	Tracker
	Models
}

// Tracker keeps runs.
type Tracker interface {
	// StartRun begins a run in the named experiment, which is created if needed. An empty name is replaced by one of
	// the implementation's choosing.
	StartRun(ctx context.Context, experiment, name string, tags map[string]string) (Run, error)

	// ResumeRun returns a handle on an existing run, which is Running again whatever it was before: the way to go on
	// after a crash or an interruption.
	ResumeRun(ctx context.Context, id string) (Run, error)

	// GetRun reads a run, with the last value of each metric.
	GetRun(ctx context.Context, id string) (RunInfo, error)

	// ListRuns yields the runs of an experiment, newest first.
	ListRuns(ctx context.Context, experiment string) iter.Seq2[RunInfo, error]

	// DeleteRun deletes a run with its artifacts, to make room. One that runs, or that a version is made from, is
	// ErrInvalid.
	DeleteRun(ctx context.Context, id string) error

	// MetricHistory yields every point of one metric, ordered by step, then time. A key never logged is ErrNotFound.
	MetricHistory(ctx context.Context, runID, key string) iter.Seq2[Metric, error]
}

// Run is one training run being recorded. What it holds can be added to, not changed: parameters and artifacts are
// written once. After End the logging methods fail with ErrInvalid.
type Run interface {
	// ID names the run in the registry and in runs:/ URIs.
	ID() string

	// LogParams records settings. The same key with the same value again is fine; with another value it is ErrExists,
	// and nothing of that call is stored.
	LogParams(ctx context.Context, params map[string]string) error

	// LogMetrics records one value per key at a step, with the time of the call. The map may be of any size, and NaN
	// and infinities are kept (an infinity may come back as the largest finite number of its sign). It may return
	// before they are stored, so that training need not wait for a registry: readers see them when End has returned
	// at the latest.
	LogMetrics(ctx context.Context, step int64, metrics map[string]float64) error

	// LogInput records a data set that the run reads.
	LogInput(ctx context.Context, in Input) error

	// SetTags sets tags; a key set before takes the new value.
	SetTags(ctx context.Context, tags map[string]string) error

	// LogArtifacts stores every file of fsys under prefix ("" is the root of the run's artifacts), with its size and
	// SHA-256. All of them become visible together, or none. Links to files are followed; an irregular file is
	// ErrInvalid. A path stored before is fine when the bytes are the same, otherwise ErrExists.
	LogArtifacts(ctx context.Context, prefix string, fsys fs.FS) error

	// LogModel stores the files of a model, as a version is to be made of them, and returns what Register takes. Where
	// the registry knows models of a run (MLflow does), it is one of those, under a name checked by CheckName, and
	// files that the registry's own tools need are added to it; elsewhere it is LogArtifacts with the name as prefix.
	LogModel(ctx context.Context, name string, fsys fs.FS) (Source, error)

	// End closes the run as Finished, Failed or Killed, once all that was logged is stored. The first End that succeeds
	// decides; those after it do nothing and return nil, so that a deferred End(ctx, Failed) is safe.
	End(ctx context.Context, s Status) error
}

// Models keeps registered models and their versions. Names of models are checked by [CheckName], aliases by
// [CheckAlias].
type Models interface {
	// Register makes a new version of the named model, which is created if needed, from what a run has logged.
	// Numbers count from 1 and are never reused. The version may still be pending: see [WaitReady]. Without such
	// artifacts it is ErrNotFound.
	Register(ctx context.Context, name string, src Source, tags map[string]string) (Version, error)

	// Get reads one version.
	Get(ctx context.Context, name string, version int) (Version, error)

	// List yields the versions of a model, newest first.
	List(ctx context.Context, name string) iter.Seq2[Version, error]

	// ListModels yields the registered models in the order of their names.
	ListModels(ctx context.Context) iter.Seq2[Model, error]

	// TagVersion sets tags of a version; a key set before takes the new value.
	TagVersion(ctx context.Context, name string, version int, tags map[string]string) error

	// Promote moves a version to a stage. For Staging and Production the other holders are archived, and returned
	// newest first, unless o.KeepPrevious. Promoting again changes nothing where nothing is to be changed, and
	// repairs a stage that was left with several holders. A version that cannot serve stays where it is: ErrNotReady
	// or ErrFailed, and for Staging and Production ErrCorrupt if Verify says so. See also [Rollback].
	Promote(ctx context.Context, name string, version int, o PromoteOptions) (archived []Version, err error)

	// History yields what has served in Staging and Production, the last promotion first, so that the first entry of
	// a stage is what serves in it now. A move made without docent is an entry as well ([Elsewhere]), kept from when MLflow's
	// history is read, or a version promoted.
	History(ctx context.Context, name string) iter.Seq2[Promotion, error]

	// DeleteVersion deletes a version; its files go with its run. One that serves, has an alias, or is named by a
	// promotion of the history is ErrInvalid. Its number is not given again. See [Prune].
	DeleteVersion(ctx context.Context, name string, version int) error

	// SetAlias sets an alias or moves it from another version.
	SetAlias(ctx context.Context, name, alias string, version int) error

	// Resolve finds what a URI names, whether it is ready or not. A stage is the version promoted to it last; the
	// alias that is a stage's name in lower case ("production") means the same. A runs:/ URI gives a Version without
	// name and number.
	Resolve(ctx context.Context, u URI) (Version, error)

	// Files lists the files of a version in the order of their paths, which are relative to what Download writes.
	Files(ctx context.Context, v Version) ([]File, error)

	// Download makes dir hold the files of a version, each verified by size and SHA-256 (by size alone where
	// File.SHA256 is empty). A new directory appears under its name only when complete, and a download that broke off
	// resumes. If dir exists it may be empty or hold files of this version, which are verified and repaired; one that
	// holds anything else is left alone (ErrExists). A stored file that is missing or altered is ErrCorrupt with its
	// name in [Error.Path].
	//
	// Of v only Name, Number and Path are read, or ModelID, RunID and Path where it has no number.
	Download(ctx context.Context, v Version, dir string) error

	// Verify reads every stored file of a version, of which it looks at what Download does, and holds it against the
	// size and SHA-256 that were logged. All that is missing or altered is told, as one error that is ErrCorrupt.
	Verify(ctx context.Context, v Version) error
}
