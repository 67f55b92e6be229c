package program

import (
	"context"
	"errors"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/gate"
)

// GateTag is on a version that failed the gate, with the rules that it failed.
const GateTag = "docent.gate"

// FingerprintTag is on a version with the system_fingerprint of its answers, one for each kind of device and precision that
// has computed them, with spaces between.
const FingerprintTag = "docent.fingerprints"

// CheckGate holds the metrics of a version of a model against rules, and against those of the version that is in Production.
func CheckGate(rules []string, m gate.Metrics) (gate.Verdict, error) {
	parsed, err := gate.Parse(rules)
	if err != nil || len(parsed) == 0 {
		return gate.Verdict{}, err
	}
	return gate.Check(parsed, m), nil
}

// InProduction are the metrics of the version of a model that is in Production; nil if none is.
func InProduction(ctx context.Context, reg registry.Registry, name string) (metrics map[string]float64, err error) {
	served, err := reg.Resolve(ctx, registry.URI{Name: name, Stage: registry.Production})
	if err == nil {
		metrics, err = MetricsOf(ctx, reg, served)
	}
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	return metrics, err
}

// MetricsOf are the last metrics of the run that made a version; none if it was made otherwise.
func MetricsOf(ctx context.Context, reg registry.Registry, v registry.Version) (map[string]float64, error) {
	out := map[string]float64{}
	info, err := RunOf(ctx, reg, v)
	for key, metric := range info.Metrics {
		out[key] = metric.Value
	}
	return out, err
}

// RunOf is the run that made a version; one that is gone, or was never recorded, is empty.
func RunOf(ctx context.Context, reg registry.Registry, v registry.Version) (registry.RunInfo, error) {
	if v.RunID == "" {
		return registry.RunInfo{}, nil
	}
	run, err := reg.GetRun(ctx, v.RunID)
	if errors.Is(err, registry.ErrNotFound) {
		return registry.RunInfo{}, nil
	}
	return run, err
}
