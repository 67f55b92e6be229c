package ci_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// TestREADMEListsTheFamilies: the names in back quotes between the two comments are those of the records.
func TestREADMEListsTheFamilies(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	require.NoError(t, err)
	_, list, found := strings.Cut(string(data), "<!-- families -->")
	require.True(t, found, "README.md has no list of families between <!-- families --> and <!-- /families -->")
	list, _, found = strings.Cut(list, "<!-- /families -->")
	require.True(t, found, "the list of families does not end")
	var names []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	assert.Equal(t, lm.Families(), names)
}
