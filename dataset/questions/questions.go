// Package questions makes questions out of documents, and other wordings of questions, by rules: no model is asked.
//
// A small model that has learned the answer to one wording of a question often fails at the next one; many truly different
// wordings of a fact make it stick. [Reword] makes them.
//
//	fact.Questions = append(fact.Questions, questions.Reword(fact, 10)...)
//
// [FromDocuments] asks what documents say: their tables, rows of a label and a value, and sentences with a number, a time, a
// place, a name or a reason. The answer is word for word in the document.
//
// The rules know English, French, Spanish, German and Greek. The package depends on package dataset and the standard library
// only, and keeps no state: its functions are safe for concurrent use.
package questions
