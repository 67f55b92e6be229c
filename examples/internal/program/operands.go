package program

import (
	"flag"
	"io"
)

// Operands parses flags that may stand before, between and behind the operands, which it returns.
func Operands(f *flag.FlagSet, args []string) (operands []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			return operands, nil
		}
		operands, args = append(operands, f.Arg(0)), f.Args()[1:]
	}
}

// Help writes usage and what the flags mean.
func Help(w io.Writer, usage string, f *flag.FlagSet) error {
	_, err := io.WriteString(w, usage)
	f.SetOutput(w)
	f.PrintDefaults()
	return err
}
