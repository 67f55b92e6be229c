package mlflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// promotionTag begins the keys of the tags of a registered model that are its history, one for each promotion:
// docent.promotion.000012.k3xz, with a registry.Promotion as its value. Who promotes at the same time may take the same number,
// hence the end.
const promotionTag = "docent.promotion."

// serves is the version that a stage means: the holder of its alias, else the highest that is in it. 0 is none.
func (m wireModel) serves(stage registry.Stage) int {
	if impl.Serves(stage) {
		if n := m.holder(aliasOf(stage)); n != 0 {
			return n
		}
	}
	highest := 0
	for _, v := range m.Latest {
		if v.Stage == string(stage) {
			highest = max(highest, int(v.Version))
		}
	}
	return highest
}

// history reads the whole of it, the oldest entry first, and the number of the next entry.
func (m wireModel) history() (all []registry.Promotion, next int, err error) {
	type numbered struct {
		registry.Promotion
		n   int
		key string
	}
	var found []numbered
	for _, tag := range m.Tags {
		rest, ok := strings.CutPrefix(tag.Key, promotionTag)
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(number)
		var p registry.Promotion
		if err == nil {
			err = json.Unmarshal([]byte(tag.Value), &p)
		}
		if err != nil {
			return nil, 0, &registry.Error{Name: tag.Key, Err: fmt.Errorf("%w: a tag of the registered model that is no promotion", registry.ErrCorrupt),
				Hint: "remove the tag on the MLflow server"}
		}
		found = append(found, numbered{p, n, tag.Key})
	}
	slices.SortFunc(found, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.n, b.n), a.At.Compare(b.At), cmp.Compare(a.key, b.key))
	})
	for _, f := range found {
		next = f.n + 1
		if last := impl.Last(all, f.Stage); last != nil && last.Version == f.Version { // seen by several, or by its maker later than by others
			if last.Why == registry.Elsewhere {
				f.From, *last = last.From, f.Promotion
			}
			continue
		}
		all = append(all, f.Promotion)
	}
	return all, next, nil
}

// remember adds a promotion to the history, and before it what others did that the model shows and the history does not.
func (c *client) remember(ctx context.Context, m wireModel, p registry.Promotion) error {
	all, next, err := m.history()
	if err != nil {
		return err
	}
	p.At = impl.Following(all, c.stamp())
	return c.record(ctx, m.Name, next, append(impl.Unrecorded(all, m.serves, p.At), p))
}

// record stores entries of the history, the first with the number next.
func (c *client) record(ctx context.Context, name string, next int, entries []registry.Promotion) error {
	for i, p := range entries {
		value, err := json.Marshal(p)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%s%06d.%s", promotionTag, next+i, strings.ToLower(rand.Text()[:4]))
		if err := c.post(ctx, "registered-models/set-tag", texts{"name": name, "key": key, "value": string(value)}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) Promotions(ctx context.Context, name string) ([]registry.Promotion, error) {
	m, err := c.model(ctx, name)
	if err != nil {
		return nil, err
	}
	all, next, err := m.history()
	if err != nil {
		return nil, err
	}
	missing := impl.Unrecorded(all, m.serves, c.stamp())
	if err := c.record(ctx, name, next, missing); err != nil { // who may only read sees it all the same
		c.log.Debug("MLflow does not keep what others promoted", "model", name, "error", err)
	}
	return append(all, missing...), nil
}

func (c *client) TagVersion(ctx context.Context, name string, version int, tags map[string]string) error {
	sent := newLimiter(c.log).pairs("tag", tags, maxVersionTag)
	for _, key := range sortedKeys(sent) {
		body := texts{"name": name, "version": strconv.Itoa(version), "key": key, "value": sent[key]}
		if err := c.post(ctx, "model-versions/set-tag", body, nil); err != nil {
			return err
		}
	}
	return nil
}
