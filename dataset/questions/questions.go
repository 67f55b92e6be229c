// Package questions makes questions out of documents, and other wordings of questions.
//
// A small model that has learned the answer to one wording of a question often fails at the next one; many truly different
// wordings of a fact make it stick. [Reword] makes them of a fact that somebody wrote:
//
//	fact.Questions = append(fact.Questions, questions.Reword(fact, 10)...)
//
// [FromDocuments] asks what documents say: their tables, rows of a label and a value, and sentences with a number, a time, a
// place, a name or a reason. The answer is word for word in the document.
//
//	facts, report, err := questions.FromDocuments(ctx, documents, questions.Options{})
//
// Both work by rules, which are the code of this package, and by forms and words, which are a file for each language: English,
// where sentences are understood best, French, Spanish, German and Greek. A model may write questions too, see [Generator].
//
// The package depends on package dataset and the standard library only, and keeps no state: its functions are safe for
// concurrent use.
package questions
