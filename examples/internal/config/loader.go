package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// loader reads the layers into the settings of one program.
type loader struct {
	program  string
	in       Input
	common   *Common
	groups   []group
	settings []*setting // those of the groups, then the other program's
	boot     bootSettings
	operands *[]string // takes the arguments that are no flags; nil refuses them

	flags   map[string]named // own flags
	envs    map[string]named // all environment names
	keys    map[string]*setting
	environ map[string]string

	faults faults
	notes  []string
	files  map[string]bool // what was read
}

// named is what a flag or an environment name leads to: a setting, or a part of it.
type named struct {
	setting *setting
	part    *part
}

// assignment is one value of one layer, not yet applied.
type assignment struct {
	setting *setting
	from    origin
	shown   string // the value as a message may show it
	partial bool
	apply   func() error
}

func newLoader(program string, in Input, common *Common, own, foreign []group) *loader {
	l := &loader{
		program: program, in: in, common: common,
		flags: map[string]named{}, envs: map[string]named{}, keys: map[string]*setting{}, environ: map[string]string{}, files: map[string]bool{},
	}
	l.boot.Folder = DefaultFolder
	l.groups = slices.Concat(own, declared(common), declared(&l.boot))
	for _, g := range l.groups {
		l.settings = append(l.settings, g.settings...)
	}
	for _, s := range l.settings {
		l.keys[s.key] = s
	}
	for _, g := range foreign {
		for _, s := range g.settings {
			if l.keys[s.key] != nil { // this program has borrowed it
				continue
			}
			s.foreign = true
			l.settings = append(l.settings, s)
		}
	}
	for _, s := range l.settings {
		l.keys[s.key] = s
		l.index(named{setting: s}, s.flag, s.envs)
		for i := range s.parts {
			p := &s.parts[i]
			l.index(named{s, p}, p.flag, strings.Fields(p.env))
		}
	}
	for _, entry := range in.Environ {
		name, text, _ := strings.Cut(entry, "=")
		if _, ok := l.environ[name]; !ok {
			l.environ[name] = text
		}
	}
	return l
}

func (l *loader) index(n named, flag string, envs []string) {
	if flag != "" && !n.setting.foreign {
		l.flags[flag] = n
	}
	for _, name := range envs {
		l.envs[name] = n
	}
}

// load reads the layers from the top, since each decides which file lies below it, and applies them from the bottom.
func (l *loader) load(finish func(*loader)) error {
	flags, err := l.readFlags()
	if err != nil {
		return err
	}
	process := l.readProcess()
	folder, profile, env := l.keys["config"], l.keys["profile"], l.keys["env"]
	boot := func(s *setting) bool { return s == folder || s == profile || s.key == "explain" }

	l.apply(boot, process, flags)
	fsys := l.openFolder(folder)
	dotenv := l.readDotenv(fsys, profile)

	l.apply(func(s *setting) bool { return s == env }, dotenv, process, flags)
	var asker *setting // without the file of an environment that was asked for, its settings would silently be missing
	if env.layer() > layerDefault {
		asker = env
	}
	base := l.readJSON(fsys, "base.json", layerBase, nil)
	chosen := l.readJSON(fsys, l.common.Env+".json", layerEnvironment, asker)

	l.apply(func(s *setting) bool { return !boot(s) && s != env }, base, chosen, dotenv, process, flags)
	home := l.home()
	for _, s := range l.settings {
		s.value.expandHome(home)
	}
	l.noteMisspelt()
	l.common.finish(l)
	finish(l)
	if len(l.faults) > 0 {
		return l.faults
	}
	return nil
}

// apply sets the wanted settings, one layer over the other.
func (l *loader) apply(wanted func(*setting) bool, layers ...[]assignment) {
	for _, layer := range layers {
		for _, a := range layer {
			if !wanted(a.setting) {
				continue
			}
			if err := a.apply(); err != nil {
				l.fault(&Fault{Key: a.setting.key, Value: a.shown, Origin: a.from.String(), Reason: err.Error()})
				continue
			}
			if !a.partial {
				a.setting.from = nil
			}
			a.from.partial = a.partial
			a.setting.from = append(a.setting.from, a.from)
		}
	}
}

func (l *loader) fault(f *Fault) { l.faults = append(l.faults, f) }

func (l *loader) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// wrong reports a fault of a setting as it stands after all layers.
func (l *loader) wrong(key, reason string, args ...any) {
	s := l.keys[key]
	f := &Fault{Key: key, Reason: fmt.Sprintf(reason, args...)}
	if s.layer() > layerDefault || s.value.get() != "" {
		f.Value, f.Origin = s.quoted(s.value.get()), s.origin()
	}
	l.fault(f)
}

// readProcess takes the declared names from the process environment, and no others. A secret may stand in a file, which
// the name with _FILE behind it gives, as containers are given theirs; an empty file is an empty variable.
func (l *loader) readProcess() []assignment {
	return l.readVariables(false, func(name string) (string, origin, bool) {
		text := l.environ[name]
		if file := l.environ[name+"_FILE"]; text == "" && file != "" && l.envs[name].setting.value.secret && l.in.System != nil {
			name += "_FILE"
			data, err := fs.ReadFile(l.in.System, strings.TrimPrefix(path.Clean(file), "/"))
			if err != nil {
				l.fault(&Fault{Origin: name, Reason: fmt.Sprintf("cannot read %s: %v: give the whole path of a file", plain(file), rootCause(err))})
			}
			text = strings.TrimSpace(string(data))
		}
		return text, origin{layer: layerProcess, name: name}, text != ""
	})
}

// readVariables collects environment names in the order of the settings, whole values before parts.
func (l *loader) readVariables(withForeign bool, lookup func(name string) (string, origin, bool)) []assignment {
	var out []assignment
	for _, s := range l.settings {
		if s.foreign && !withForeign {
			continue
		}
		whole := ""
		for _, name := range s.envs {
			text, from, ok := lookup(name)
			if !ok {
				continue
			}
			if whole != "" {
				if text != whole {
					l.fault(&Fault{Key: s.key, Origin: from.String(), Reason: fmt.Sprintf("differs from %s, which sets the same thing: keep one", out[len(out)-1].from)})
				}
				continue
			}
			whole = text
			out = append(out, assignment{setting: s, from: from, shown: s.quoted(text), apply: func() error { return s.value.set(text) }})
		}
		for i := range s.parts {
			p := &s.parts[i]
			for _, name := range strings.Fields(p.env) {
				if text, from, ok := lookup(name); ok {
					following := whole != ""
					out = append(out, assignment{
						setting: s, from: from, shown: s.quoted(text), partial: true,
						apply: func() error { return p.set(text, following) },
					})
				}
			}
		}
	}
	return out
}
