package config

import (
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"abc", "acb", 1},
		{"kitten", "sitting", 3}, {"grösse", "grosse", 1}, {"ca", "abc", 3},
	} {
		assert.Equal(t, tc.want, distance(tc.a, tc.b), "%s %s", tc.a, tc.b)
	}
	require.NoError(t, quick.Check(func(a, b string) bool {
		d := distance(a, b)
		return d == distance(b, a) && (d == 0) == (string([]rune(a)) == string([]rune(b))) && d <= max(len([]rune(a)), len([]rune(b)))
	}, nil))
}

func TestDidYouMean(t *testing.T) {
	names := []string{"rank", "learning_rate", "epochs"}
	assert.Equal(t, `: did you mean "rank"?`, didYouMean("rnak", names))
	assert.Equal(t, `: did you mean "learning_rate"?`, didYouMean("Learning_Rates", names))
	assert.Empty(t, didYouMean("temperature", names), "nothing is near")
	assert.Empty(t, didYouMean("", names))
}
