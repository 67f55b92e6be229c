package gate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry/gate"
)

func TestRules(t *testing.T) {
	measured := gate.Metrics{
		Candidate: map[string]float64{"eval/reworded": 0.57, "eval/general": 0.88, "eval_base/general": 0.95, "eval/unanswerable": 0.6,
			"eval/with_passage": 0.9, "eval/p95_first_token": 0.35},
		Production: map[string]float64{"eval/reworded": 0.58, "eval/with_passage": 0.8},
	}
	for rule, want := range map[string]string{
		"reworded >= production - 1 point":      "passed 1 rules",
		"reworded >= production":                "failed: reworded >= production (0.57 against 0.58)",
		"reworded > 57 %":                       "failed: reworded > 57 % (0.57 against 0.57)",
		"general >= 0.9 base":                   "passed 1 rules",
		"general >= 95 % base":                  "failed: general >= 95 % base (0.88 against 0.902)",
		"unanswerable >= 0.6":                   "passed 1 rules",
		"with passage >= production + 5 points": "passed 1 rules",
		"p95_first_token < 800ms":               "passed 1 rules",
		"p95 first token < 0.3s":                "failed: p95 first token < 0.3s (0.35 against 0.3)",
		"swapped >= 0.5":                        "failed: swapped >= 0.5 (it was not measured)",
		"unanswerable >= production":            "passed 1 rules", // that of Production was not measured
		"unanswerable >= base":                  "failed: unanswerable >= base (the base model was not measured)",
	} {
		t.Run(rule, func(t *testing.T) {
			rules, err := gate.Parse([]string{rule})
			require.NoError(t, err)
			require.Equal(t, want, gate.Check(rules, measured).String())
		})
	}
}

func TestBadRules(t *testing.T) {
	for _, rule := range []string{"", "reworded", "reworded >=", "reworded = 0.5", "reworded >= old", ">= 0.5", "reworded >= 0.5 0.6"} {
		_, err := gate.Parse([]string{rule, "general >= 0.9 base"})
		require.ErrorIs(t, err, gate.ErrRule, rule)
		require.ErrorContains(t, err, "write it as", rule)
	}
}

func TestFirstVersionIsComparedWithNothing(t *testing.T) {
	rules, err := gate.Parse([]string{"reworded >= production - 1 point", "reworded >= 0.5"})
	require.NoError(t, err)
	v := gate.Check(rules, gate.Metrics{Candidate: map[string]float64{"eval/reworded": 0.6}})
	require.True(t, v.Passed())
	require.Equal(t, "passed 2 rules", v.String())
}
