package text_test

import (
	"fmt"
	"log"
	"testing/fstest"

	"github.com/docent-ml/docent/internal/lm/text"
)

// model is the smallest tokenizer that can say something; real ones come from os.DirFS("model").
var model = fstest.MapFS{
	"tokenizer.json": {Data: []byte(`{
		"added_tokens": [{"id": 6, "content": "<end>", "special": true}, {"id": 7, "content": "<user>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
		"decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"h": 0, "i": 1, "hi": 2, "Ġ": 3, "!": 4, "Ġhi": 5},
			"merges": ["h i", "Ġ hi"]}}`)},
	"tokenizer_config.json": {Data: []byte(`{"eos_token": "<end>"}`)},
	"chat_template.jinja": {Data: []byte(
		"{% for m in messages %}{{ '<user>' if m.role == 'user' }}{{ m.content }}{{ eos_token }}{% endfor %}")},
}

func ExampleLoad() {
	tok, err := text.Load(model)
	if err != nil {
		log.Fatal(err)
	}
	ids := tok.Encode("hi hi!")
	fmt.Println(ids, tok.Decode(ids, true))
	// Output: [2 5 4] hi hi!
}

func ExampleTokenizer_NewStream() {
	tok, err := text.Load(model)
	if err != nil {
		log.Fatal(err)
	}
	stream := tok.NewStream(true)
	for _, id := range []int32{2, 5, 4, 6} { // as a model generates them
		fmt.Printf("%q ", stream.Push(id))
	}
	fmt.Printf("%q\n", stream.Flush())
	// Output: "hi" " hi" "!" "" ""
}

func ExampleNewChat() {
	tok, err := text.Load(model)
	if err != nil {
		log.Fatal(err)
	}
	chat, err := text.NewChat(tok, nil)
	if err != nil {
		log.Fatal(err)
	}
	messages := []text.Message{{Role: "user", Content: "hi!"}, {Role: "assistant", Content: "hi"}}
	prompt, err := chat.Render(messages, text.RenderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(prompt)
	example, err := chat.Example(messages, text.RenderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(example.IDs, example.Completion)
	// Output:
	// <user>hi!<end>hi<end>
	// [7 2 4 6 2 6] [false false false false true true]
}
