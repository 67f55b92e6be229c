package program

import "flag"

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
