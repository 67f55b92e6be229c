package lora

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// A checkpoint is a folder "step-000123" with the adapter in PEFT's format, the moments, and state.json. Order of data
// and random numbers follow from the seed and the number of the step, so nothing else has to be kept.
const (
	checkpointPrefix = "step-"
	tempPrefix       = ".step-"
	stateFile        = "state.json"
	momentsName      = "optimizer" // optimizer.safetensors
)

// state is state.json. It is written last, so a folder that has it is complete.
type state struct {
	Step   int    `json:"step"`
	Config Config `json:"config"`
	Base   string `json:"base"`
	Digest string `json:"base_sha256"`
	Data   string `json:"data_sha256"` // of the examples it was trained on; "" before the first step
	// Precision is what the base model computed in; Auto may choose another on another processor.
	Precision Precision `json:"precision,omitempty"`
}

// Save writes a checkpoint to Options.Dir and removes the oldest beyond Config.KeepCheckpoints. The folder appears
// whole: a process killed at any moment leaves the earlier checkpoints as they were.
func (t *Trainer) Save(ctx context.Context) (dir string, err error) {
	if t.options.Dir == "" {
		return "", errors.New("save checkpoint: Options.Dir is empty")
	}
	if t.closed {
		return "", errClosed
	}
	dir = filepath.Join(t.options.Dir, fmt.Sprintf("%s%06d", checkpointPrefix, t.step))
	if err := t.save(ctx, dir); err != nil {
		return "", fmt.Errorf("save checkpoint %s: %w", dir, err)
	}
	t.progress(Progress{Stage: "checkpoint", Done: int64(t.step), Checkpoint: dir})
	return dir, nil
}

func (t *Trainer) save(ctx context.Context, dir string) error {
	if err := os.MkdirAll(t.options.Dir, 0o755); err != nil {
		return err
	}
	if err := t.prune(tempPrefix, 0); err != nil { // left by a process that was killed
		return err
	}
	if err := atomicfile.Folder(dir, func(temp string) error { return t.write(ctx, temp) }); err != nil {
		return err
	}
	if t.config.KeepCheckpoints > 0 {
		return t.prune(checkpointPrefix, t.config.KeepCheckpoints)
	}
	return nil
}

func (t *Trainer) write(ctx context.Context, dir string) error {
	theta, m, v, err := t.computer.state()
	if err != nil {
		return err
	}
	if err := t.adapter(theta).Save(ctx, dir); err != nil {
		return err
	}
	moments := map[string][]float32{"m": m, "v": v}
	list := []weights.Tensor{
		{Name: "m", Shape: []int{t.layout.size}, DType: weights.F32},
		{Name: "v", Shape: []int{t.layout.size}, DType: weights.F32},
	}
	if err := weights.Write(ctx, dir, list, weights.From(moments), weights.WriteOptions{Name: momentsName, ShardBytes: math.MaxInt64}); err != nil {
		return err
	}
	s := state{Step: t.step, Config: t.config, Base: t.base.model.Ref.String(), Digest: t.base.digest, Data: t.data, Precision: t.base.precision}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, stateFile), append(data, '\n'))
}

// prune removes the folders of Options.Dir with the prefix, but for the newest keep.
func (t *Trainer) prune(prefix string, keep int) error {
	entries, err := os.ReadDir(t.options.Dir)
	if err != nil {
		return err
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			dirs = append(dirs, e.Name())
		}
	}
	slices.Sort(dirs) // the numbers have leading zeros
	for len(dirs) > keep {
		if err := os.RemoveAll(filepath.Join(t.options.Dir, dirs[0])); err != nil {
			return err
		}
		dirs = dirs[1:]
	}
	return nil
}

// LatestCheckpoint is the newest complete checkpoint in dir; ErrNoCheckpoint when there is none.
func LatestCheckpoint(dir string) (string, error) {
	found, err := fs.Glob(os.DirFS(dir), checkpointPrefix+"*/"+stateFile)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%s: %w", dir, ErrNoCheckpoint)
	}
	return filepath.Join(dir, filepath.Dir(slices.Max(found))), nil
}

// Resume puts the trainer in the state of a checkpoint folder, "" = the newest in Options.Dir. The steps that follow,
// on the same examples, are those that the unbroken run would have done. The checkpoint must come from the same base
// model and configuration, but for the fields that do not touch the result (evaluation, saving, MicroTokens).
func (t *Trainer) Resume(ctx context.Context, dir string) (err error) {
	if dir == "" {
		if dir, err = LatestCheckpoint(t.options.Dir); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
	}
	if err := t.resume(dir); err != nil {
		return fmt.Errorf("resume %s: %w", dir, err)
	}
	return ctx.Err()
}

func (t *Trainer) resume(dir string) error {
	fsys := os.DirFS(dir)
	data, err := fs.ReadFile(fsys, stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s", ErrNoCheckpoint, stateFile)
	}
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%s: %w", stateFile, err)
	}
	if s.Digest != t.base.digest {
		return fmt.Errorf("checkpoint %w: its base model is %s with other weights (SHA-256 %.12s… instead of %.12s…)", ErrMismatch, s.Base, s.Digest, t.base.digest)
	}
	if s.Precision != "" && s.Precision != t.base.precision {
		return fmt.Errorf("checkpoint %w: its base model computed in %s, not in %s: ask for that precision", ErrMismatch, s.Precision, t.base.precision)
	}
	if diff := s.Config.differs(t.config); len(diff) > 0 {
		return fmt.Errorf("checkpoint %w: the configuration differs in %s", ErrMismatch, strings.Join(diff, ", "))
	}
	a, err := adapter.Load(fsys)
	if err != nil {
		return err
	}
	theta, err := t.layout.theta(a)
	if err != nil {
		return err
	}
	src, err := weights.OpenSafetensors(fsys, momentsName+".safetensors")
	if err != nil {
		return err
	}
	defer src.Close()
	m, v := make([]float32, t.layout.size), make([]float32, t.layout.size)
	if err := errors.Join(src.Read("m", m), src.Read("v", v)); err != nil {
		return err
	}
	if err := t.computer.setState(theta, m, v); err != nil {
		return err
	}
	t.step, t.data = s.Step, s.Data
	return t.readBest()
}

// differs names the fields in which two configurations would train differently.
func (c Config) differs(other Config) []string {
	c.Patience = other.Patience
	c.EvalEvery, c.SaveEvery, c.KeepCheckpoints, c.MicroTokens = other.EvalEvery, other.SaveEvery, other.KeepCheckpoints, other.MicroTokens
	var out []string
	a, b := reflect.ValueOf(c), reflect.ValueOf(other)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			out = append(out, a.Type().Field(i).Name)
		}
	}
	return out
}

// digest identifies examples across runs.
func (e *Examples) digest() string {
	h := sha256.New()
	for _, x := range e.rows {
		binary.Write(h, binary.LittleEndian, int64(len(x.ids)))
		binary.Write(h, binary.LittleEndian, x.ids)
		binary.Write(h, binary.LittleEndian, x.trained)
		h.Write([]byte(x.taught))
		for i, targets := range x.soft {
			if len(targets) == 0 || x.taught != "" { // a device may compute the same otherwise in the last bits
				continue
			}
			binary.Write(h, binary.LittleEndian, []int64{-1, int64(i), int64(len(targets))}) // no length is negative
			for _, y := range targets {
				binary.Write(h, binary.LittleEndian, y.token)
				binary.Write(h, binary.LittleEndian, y.weight)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
