package mlflow

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// aliasOf is the alias that the stages which serve have: unlike them it moves in one step.
func aliasOf(s registry.Stage) string { return strings.ToLower(string(s)) }

// Promote moves the alias first: whoever follows it sees the new version at once, and a
// promotion that is interrupted then has happened. The next one repairs the stages.
func (c *client) Promote(ctx context.Context, name string, n int, o registry.PromoteOptions) ([]registry.Version, error) {
	stage := o.Stage
	s, err := c.state(ctx, name)
	if err != nil {
		return nil, err
	}
	var left []int // who may have been archived
	if impl.Serves(stage) {
		left = s.in(stage)
		if err := c.moveAlias(ctx, s.model, stage, n, o); err != nil {
			return nil, err
		}
	}
	if err := c.transition(ctx, name, n, stage, impl.Serves(stage) && !o.KeepPrevious); err != nil {
		return nil, err
	}
	// Others may be at the same. Each goes on until it has seen alias and stages agree after its own last change, so
	// the last of them leaves them that way.
	const rounds = 50
	for range rounds {
		if s, err = c.state(ctx, name); err != nil {
			return nil, err
		}
		changed, err := c.settle(ctx, s, n, o)
		if err != nil {
			return nil, err
		}
		if len(changed) == 0 {
			return s.archived(left, n), nil
		}
		left = append(left, changed...)
	}
	return nil, &registry.Error{Err: fmt.Errorf("%w: others keep moving the versions", registry.ErrUnavailable), Hint: "promote again when they have finished"}
}

// state is all that promotions look at.
type state struct {
	model    wireModel
	versions []registry.Version // newest first
}

func (c *client) state(ctx context.Context, name string) (*state, error) {
	m, err := c.model(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &state{model: m}
	for v, err := range c.versions(ctx, m) {
		if err != nil {
			return nil, err
		}
		s.versions = append(s.versions, v)
	}
	return s, nil
}

// in lists the versions of a stage, newest first.
func (s *state) in(stage registry.Stage) []int {
	var list []int
	for _, v := range s.versions {
		if v.Stage == stage {
			list = append(list, v.Number)
		}
	}
	return list
}

// archived are those of the given that are archived now.
func (s *state) archived(of []int, except int) []registry.Version {
	var list []registry.Version
	for _, v := range s.versions {
		if v.Stage == registry.Archived && v.Number != except && slices.Contains(of, v.Number) {
			list = append(list, v)
		}
	}
	return list
}

// settle makes aliases and stages agree after version n was moved, and returns the versions it has touched; none means
// that they agree.
func (c *client) settle(ctx context.Context, s *state, n int, o registry.PromoteOptions) (touched []int, err error) {
	moved, keep := o.Stage, o.KeepPrevious
	if c.withoutStages() {
		return nil, nil
	}
	name := s.model.Name
	for _, stage := range []registry.Stage{registry.Staging, registry.Production} {
		alias := aliasOf(stage)
		holder, holders := s.model.holder(alias), s.in(stage)
		switch {
		case holder == n && moved != stage && !slices.Contains(holders, n): // it left: another takes the alias, or nobody
			next := 0
			if len(holders) > 0 {
				next = holders[0]
			}
			err = c.moveAlias(ctx, s.model, stage, next, o)
			touched = append(touched, n)
		case moved != stage: // nothing of ours
		case holder == 0 && len(holders) > 0: // somebody has taken it away from under us
			next := holders[0]
			if slices.Contains(holders, n) {
				next = n
			}
			err = c.SetAlias(ctx, name, alias, next)
			touched = append(touched, next)
		case holder != 0 && !slices.Contains(holders, holder): // another promotion is between alias and stage
			err = c.transition(ctx, name, holder, stage, false)
			touched = append(touched, holder)
		}
		if err != nil {
			return nil, err
		}
		if moved != stage || keep || holder == 0 {
			continue
		}
		for _, other := range holders {
			if other == holder {
				continue
			}
			if err := c.transition(ctx, name, other, registry.Archived, false); err != nil {
				return nil, err
			}
			touched = append(touched, other)
		}
	}
	return touched, nil
}

// transition moves a version to a stage. A server that has dropped stages is no fault: the alias has moved.
func (c *client) transition(ctx context.Context, name string, n int, stage registry.Stage, archive bool) error {
	if c.withoutStages() {
		return nil
	}
	body := struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Stage   string `json:"stage"`
		Archive bool   `json:"archive_existing_versions"`
	}{name, strconv.Itoa(n), string(stage), archive}
	err := c.post(ctx, "model-versions/transition-stage", body, nil)
	if isNoRoute(err) {
		c.mu.Lock()
		c.noStages = true
		c.mu.Unlock()
		c.log.Warn("this MLflow server has no stages: versions are promoted by alias alone", "server", c.base.String())
		return nil
	}
	return err
}

func (c *client) withoutStages() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noStages
}

// moveAlias has another version serve in a stage, or with 0 none, and remembers it. m is the model before.
func (c *client) moveAlias(ctx context.Context, m wireModel, stage registry.Stage, n int, o registry.PromoteOptions) (err error) {
	from := m.serves(stage)
	if n == 0 {
		err = c.delete(ctx, "registered-models/alias", texts{"name": m.Name, "alias": aliasOf(stage)})
	} else {
		err = c.SetAlias(ctx, m.Name, aliasOf(stage), n)
	}
	if err != nil || n == from {
		return err
	}
	return c.remember(ctx, m, registry.Promotion{Stage: stage, Version: n, From: from, By: o.By, Why: o.Why, Verdict: o.Verdict})
}

func (c *client) SetAlias(ctx context.Context, name, alias string, n int) error {
	return c.post(ctx, "registered-models/alias", texts{"name": name, "alias": alias, "version": strconv.Itoa(n)}, nil)
}
