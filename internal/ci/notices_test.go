package ci_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const noticesFile = "THIRD_PARTY_NOTICES"

// licenceFiles are the names under which modules keep their terms.
var licenceFiles = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|unlicense|authors|patents|copyright)([-.].*)?$`)

// TestNotices: THIRD_PARTY_NOTICES has the terms of every module that is linked into a program. It is made anew with
// go test ./internal/ci -run Notices -update.
func TestNotices(t *testing.T) {
	modules := map[string]string{} // "path version" to folder
	for _, goos := range platforms {
		for _, p := range list(t, goos) {
			if p.Module != nil && p.Module.Path != modulePath {
				modules[p.Module.Path+" "+p.Module.Version] = p.Module.Dir
			}
		}
	}
	users := map[string][]string{} // terms to those who use them
	for name, dir := range modules {
		require.NotEmpty(t, dir, "%s is vendored or not downloaded", name)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		found := 0
		for _, e := range entries {
			if !licenceFiles.MatchString(e.Name()) || e.IsDir() || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			terms := strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
			users[terms] = append(users[terms], name)
			found++
		}
		assert.NotZero(t, found, "%s has no licence: it must not be linked", name)
	}
	texts := slices.Collect(maps.Keys(users))
	for _, names := range users {
		slices.Sort(names)
	}
	slices.SortFunc(texts, func(a, b string) int { return strings.Compare(users[a][0]+a, users[b][0]+b) })
	var b strings.Builder
	b.WriteString("What is linked into docent's programs beside docent itself, and the terms of each.\n")
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(users[text], "\n"), text)
	}
	name := filepath.Join(root(t), noticesFile)
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	if string(want) != b.String() { // not compared by assert, whose message would be as long as both
		t.Errorf("%s is not current: go test ./internal/ci -run Notices -update", noticesFile)
	}
}
