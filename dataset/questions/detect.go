package questions

// Language is the ISO 639-1 code of the language of a text, "" for one that there are no question forms for.
func Language(text string) string {
	if l := detect(text); l != nil {
		return l.code
	}
	return ""
}
