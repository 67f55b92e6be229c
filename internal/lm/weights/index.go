package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// parseIndex reads the weight_map of a model.safetensors.index.json: tensor name to shard file.
func parseIndex(data []byte) (shardOf map[string]string, err error) {
	err = eachKey(data, func(key string, value json.RawMessage) error {
		if key != "weight_map" { // metadata holds total_size, which is not always right and never needed
			return nil
		}
		shardOf = map[string]string{}
		return eachKey(value, func(tensor string, value json.RawMessage) error {
			var name string
			if err := json.Unmarshal(value, &name); err != nil {
				return fmt.Errorf("%q: %w", tensor, err)
			}
			// A shard lies beside its index: no name may lead elsewhere.
			if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, `/\`) {
				return fmt.Errorf("%q: %q is not the name of a file beside the index", tensor, name)
			}
			shardOf[tensor] = name
			return nil
		})
	})
	if err == nil && shardOf == nil {
		err = errors.New("has no weight_map")
	}
	if err != nil {
		return nil, malformed("%w", err)
	}
	return shardOf, nil
}

// matchIndex reports every tensor that the index and the shards disagree on.
func matchIndex(shardOf map[string]string, tensors map[string]*stored) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(shardOf)) {
		if t, ok := tensors[name]; !ok {
			errs = append(errs, malformed("tensor %q is not in %s", name, shardOf[name]))
		} else if t.file.name != shardOf[name] {
			errs = append(errs, malformed("tensor %q is not in %s but in %s", name, shardOf[name], t.file.name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if _, ok := shardOf[name]; !ok {
			errs = append(errs, malformed("tensor %q of %s is not in the index", name, tensors[name].file.name))
		}
	}
	return errors.Join(errs...)
}
