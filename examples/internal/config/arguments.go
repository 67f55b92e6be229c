package config

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// readFlags turns the command line into assignments. It returns flag.ErrHelp when help is asked for; everything else
// that is wrong is a fault, so that all of it is told at once.
func (l *loader) readFlags() ([]assignment, error) {
	var out []assignment
	whole := map[*setting]bool{} // settings whose own flag was seen
	args := l.in.Args
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
		if l.operands != nil && name == arg {
			*l.operands = append(*l.operands, arg)
			continue
		}
		if name == arg || name == "" {
			l.fault(&Fault{Reason: fmt.Sprintf("unexpected argument %s: everything is set by flags, see -h", quoted(arg))})
			continue
		}
		name, text, inline := strings.Cut(name, "=")
		if name == "h" || name == "help" {
			return nil, flag.ErrHelp
		}
		known, ok := l.flags[name]
		if !ok {
			if !inline && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				i++ // its value, presumably: not worth a second fault, and perhaps a secret
			}
			l.fault(&Fault{Reason: l.unknownFlag(name)})
			continue
		}
		s, p := known.setting, known.part
		if !inline {
			switch {
			case p == nil && s.value.kind == kindBool:
				text = "true"
				if i+1 < len(args) && (args[i+1] == "true" || args[i+1] == "false") {
					i++
					l.fault(&Fault{Key: s.key, Reason: fmt.Sprintf("write -%s=%s: a switch takes its value after an equals sign", name, args[i])})
					continue
				}
			case i+1 == len(args), l.isFlag(args[i+1]):
				l.fault(&Fault{Key: s.key, Origin: "-" + name, Reason: "a value must follow"})
				continue
			default:
				i++
				text = args[i]
			}
		}
		set := s.value.set
		switch {
		case p != nil:
			following := whole[s]
			set = func(text string) error { return p.set(text, following) }
		case whole[s] && s.value.add != nil:
			set = s.value.add
		}
		whole[s] = whole[s] || p == nil
		out = append(out, assignment{
			setting: s, from: origin{layer: layerFlags, name: name}, shown: s.quoted(text), partial: p != nil,
			apply: func() error { return set(text) },
		})
	}
	return out, nil
}

// isFlag tells a flag from a value that begins with a dash, such as -1.
func (l *loader) isFlag(arg string) bool {
	name, ok := strings.CutPrefix(arg, "-")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	_, known := l.flags[name]
	return known
}

func (l *loader) unknownFlag(name string) string {
	for _, s := range l.settings {
		if s.foreign && (s.flag == name || slices.ContainsFunc(s.parts, func(p part) bool { return p.flag == name })) {
			return fmt.Sprintf("unknown flag -%s: it belongs to the other program, not to the %s", name, l.program)
		}
	}
	hint := didYouMean(name, slices.Sorted(maps.Keys(l.flags)))
	if s := l.anyNamed(name); s != nil && !s.foreign {
		if s.flag != "" {
			hint = fmt.Sprintf(": did you mean %q?", s.flag)
		} else {
			hint = ": it has no flag, set " + s.howTo()
		}
	}
	return fmt.Sprintf("unknown flag -%s%s", name, hint)
}
