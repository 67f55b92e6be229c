package questions

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFaultsOfLanguageFilesHaveTheirPlace(t *testing.T) {
	for _, test := range []struct{ language, thesaurus, fault string }{
		{"[common]\nthe a\n\n[comon]\nthe", "", "languages/en.txt:5: the section [comon] is not known"},
		{"the", "", "languages/en.txt:1: the section [] is not known"},
		{"[headers]\nprice", "", `languages/en.txt:2: no kind in "price"`},
		{"[common]\nthe\n", "# more\n[rewrite]\nwho is {x}", `thesaurus/en.txt:3: no => in "who is {x}"`},
		{"[verbs]\nopen\n", "[nouns]\nfee | charge\nfine", `thesaurus/en.txt:3: "fine" has no second word`},
		{"[rewrite]\nwho (is => x", "", "languages/en.txt:2: error parsing regexp"},
	} {
		_, err := readLanguage(fstest.MapFS{"languages/en.txt": {Data: []byte(test.language)}, "thesaurus/en.txt": {Data: []byte(test.thesaurus)}}, "en.txt")
		assert.ErrorContains(t, err, test.fault)
	}
	l, err := readLanguage(fstest.MapFS{"languages/xx.txt": {Data: []byte("[common]\nthe of_the")}}, "xx.txt")
	require.NoError(t, err, "not every language has a thesaurus")
	assert.True(t, l.function("of the"))
}
