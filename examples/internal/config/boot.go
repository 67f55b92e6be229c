package config

import (
	"io/fs"
	"slices"
	"strings"
)

const (
	profileAuto   = "auto"
	profileLocal  = "local"
	profileDocker = "docker"
	profileNone   = "none"
)

// bootSettings decide which files are read, so they cannot stand in these files.
type bootSettings struct {
	Folder  string `set:"config -config=DIR CONFIG_DIR" group:"Configuration files" not:"files" help:"folder with base.json, development.json, production.json, .env.local and .env.docker"`
	Profile string `set:"profile -profile=NAME APP_PROFILE" not:"files" default:"auto" one:"auto, local, docker, none" help:"which .env file is read: auto takes .env.docker in a container and .env.local elsewhere"`
	Explain bool   `set:"explain -explain" not:"files" help:"print every setting with the layer it came from, secrets masked, and stop"`
}

// containerSign says by what a container was recognised; "" = it is none.
func (l *loader) containerSign() string {
	if l.environ["KUBERNETES_SERVICE_HOST"] != "" {
		return "KUBERNETES_SERVICE_HOST is set"
	}
	if l.in.System == nil {
		return ""
	}
	for _, name := range []string{".dockerenv", "run/.containerenv"} { // of Docker and Podman
		if _, err := fs.Stat(l.in.System, name); err == nil {
			return "/" + name + " exists"
		}
	}
	// Under cgroup v2 this file is "0::/" inside a container and tells nothing; the signs above then have to do.
	cgroup, err := fs.ReadFile(l.in.System, "proc/1/cgroup")
	if err != nil {
		return ""
	}
	for _, runtime := range []string{"docker", "kubepods", "containerd", "libpod", "lxc"} {
		if slices.Contains(strings.FieldsFunc(string(cgroup), func(c rune) bool { return strings.ContainsRune("/\n:-.", c) }), runtime) {
			return "/proc/1/cgroup names " + runtime
		}
	}
	return ""
}

// home is the user's home folder by the environment; "" = unknown.
func (l *loader) home() string {
	if home := l.environ["HOME"]; home != "" {
		return home
	}
	return l.environ["USERPROFILE"] // Windows
}
