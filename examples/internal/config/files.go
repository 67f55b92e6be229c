package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// openFolder opens the configuration folder; nil = there is none. Only the default one may be absent.
func (l *loader) openFolder(folder *setting) fs.FS {
	if l.in.Folder == nil {
		return nil
	}
	if l.boot.Folder == "" {
		l.wrong("config", "must name a folder")
		return nil
	}
	folder.value.expandHome(l.home())
	fsys := l.in.Folder(l.boot.Folder)
	info, err := fs.Stat(fsys, ".")
	switch {
	case err == nil && info.IsDir():
		return fsys
	case err == nil:
		l.wrong("config", "is not a folder: name the folder that holds base.json")
	case errors.Is(err, fs.ErrNotExist) && folder.layer() == layerDefault: // outside of the repository; -explain tells that no file was read
	default:
		l.wrong("config", "cannot be opened: %v", rootCause(err))
	}
	return nil
}

// readFile reads one file of the folder. Its absence is a fault of the setting that asked for it, if one did.
func (l *loader) readFile(fsys fs.FS, name string, asker *setting) ([]byte, bool) {
	err := fs.ErrNotExist
	var data []byte
	if fsys != nil {
		data, err = fs.ReadFile(fsys, name)
	}
	switch {
	case err == nil:
		l.files[name] = true
		return data, true
	case asker != nil:
		l.wrong(asker.key, "cannot read %s in %s: %v", name, l.boot.Folder, rootCause(err))
	case !errors.Is(err, fs.ErrNotExist):
		l.fault(&Fault{Origin: name, Reason: "cannot be read: " + rootCause(err).Error()})
	}
	return nil, false
}

// rootCause drops the path of a file error, which the message has already.
func rootCause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

func (l *loader) readJSON(fsys fs.FS, name string, layer layer, asker *setting) []assignment {
	data, ok := l.readFile(fsys, name, asker)
	if !ok {
		return nil
	}
	members, bad := parseObject(data)
	for _, e := range bad {
		l.fault(&Fault{Origin: fmt.Sprintf("%s:%d", name, e.line), Reason: e.err.Error()})
	}
	var out []assignment
	for _, m := range members {
		from := origin{layer: layer, file: name, line: m.line}
		s, ok := l.keys[m.key]
		if !ok || !s.inJSON() {
			l.fault(&Fault{Origin: from.String(), Reason: l.unknownKey(m.key)})
			continue
		}
		out = append(out, assignment{setting: s, from: from, shown: s.quotedJSON(m.raw), apply: func() error { return s.value.setJSON(m.raw) }})
	}
	return out
}

func (l *loader) unknownKey(key string) string {
	if s := l.anyNamed(key); s != nil {
		if s.inJSON() {
			return fmt.Sprintf("unknown key %q: did you mean %q?", key, s.key)
		}
		return fmt.Sprintf("%q cannot stand in a JSON file: set %s", key, s.howTo())
	}
	var keys []string
	for _, s := range l.settings {
		if s.inJSON() {
			keys = append(keys, s.key)
		}
	}
	return fmt.Sprintf("unknown key %q%s", key, didYouMean(key, keys))
}

func (l *loader) readDotenv(fsys fs.FS, profile *setting) []assignment {
	var asker *setting
	switch l.boot.Profile {
	case profileNone:
		return nil
	case profileAuto:
		l.boot.Profile = profileLocal
		if sign := l.containerSign(); sign != "" {
			l.boot.Profile = profileDocker
			profile.derived = "in a container: " + sign
		}
	default:
		asker = profile
	}
	name := ".env." + l.boot.Profile
	data, ok := l.readFile(fsys, name, asker)
	if !ok {
		return nil
	}
	vars, bad := parseDotenv(data)
	for _, e := range bad {
		l.fault(&Fault{Origin: fmt.Sprintf("%s:%d", name, e.line), Reason: e.err.Error()})
	}
	set := map[string]variable{}
	for _, v := range vars {
		known, ok := l.envs[v.name]
		switch {
		case !ok:
			l.fault(&Fault{Origin: fmt.Sprintf("%s:%d", name, v.line), Reason: l.unknownVariable(v.name)})
		case known.setting.noDotenv:
			l.fault(&Fault{Origin: fmt.Sprintf("%s:%d", name, v.line), Reason: v.name + " decides which file is read: set it in the environment or by -" + known.setting.flag})
		case v.value != "":
			set[v.name] = v
		}
	}
	return l.readVariables(true, func(name string) (string, origin, bool) {
		v, ok := set[name]
		return v.value, origin{layer: layerDotenv, file: ".env." + l.boot.Profile, line: v.line, name: name}, ok
	})
}

func (l *loader) unknownVariable(name string) string {
	if s := l.anyNamed(name); s != nil && len(s.envs) > 0 && !s.noDotenv {
		return fmt.Sprintf("unknown name %s: did you mean %q?", name, s.envs[0])
	}
	return fmt.Sprintf("unknown name %s%s", name, didYouMean(name, slices.Sorted(maps.Keys(l.envs))))
}

// anyNamed finds a setting by a name of another layer: a flag written as a JSON key, an environment name as a flag.
func (l *loader) anyNamed(name string) *setting {
	fold := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "_")) }
	for _, s := range l.settings {
		if slices.ContainsFunc(append([]string{s.key, s.flag}, s.envs...), func(n string) bool { return n != "" && fold(n) == fold(name) }) {
			return s
		}
	}
	return nil
}
