package config

import (
	"errors"
	"net/url"
	"strings"
)

// Registry says where runs and models are kept: exactly one field is set.
type Registry struct {
	Dir string // folder of the filesystem registry
	URL string // http or https URL of an MLflow server, without user, query, fragment and final slash
}

// String returns the form that the -registry flag takes.
func (r Registry) String() string {
	if r.URL != "" {
		return r.URL
	}
	return "file:" + r.Dir
}

func registry(field *Registry) value {
	v := scalar(field, kindString, ParseRegistry, Registry.String)
	v.path = &field.Dir
	v.hide = func(text string) string { // a refused URL may carry a password
		if i := strings.LastIndexByte(text, '@'); i >= 0 {
			return mask + text[i:]
		}
		return text
	}
	return v
}

// ParseRegistry reads what the -registry flag takes.
func ParseRegistry(s string) (Registry, error) {
	if dir, ok := strings.CutPrefix(s, "file:"); ok {
		if rest, ok := strings.CutPrefix(dir, "//"); ok {
			if dir = rest; !strings.HasPrefix(rest, "/") {
				return Registry{}, errors.New("names a host in a file URL: write file:DIR")
			}
		}
		if dir == "" {
			return Registry{}, errors.New("must name a folder: file:DIR")
		}
		return Registry{Dir: dir}, nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil: // its text may quote a password
		return Registry{}, errors.New("must be file:DIR or the URL of an MLflow server, and is no valid URL")
	case u.User != nil:
		return Registry{}, errors.New("must not carry a user or password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
	case u.Scheme == "sqlite" || strings.HasPrefix(u.Scheme, "postgres") || strings.HasPrefix(u.Scheme, "mysql"):
		return Registry{}, errors.New("is MLflow's own store: start an MLflow server on it and give its http URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return Registry{}, errors.New("must be file:DIR or the http URL of an MLflow server; for a folder write file:DIR")
	case u.Hostname() == "":
		return Registry{}, errors.New("must name the MLflow server's host")
	case u.RawQuery != "" || u.Fragment != "":
		return Registry{}, errors.New("must not have a query or fragment")
	}
	return Registry{URL: strings.TrimRight(s, "/")}, nil
}

// mlflowOnLocalhost replaces the host "mlflow", a container's name, where it does not resolve: outside the containers the
// server is reached through its published port. The rest of the URL is kept.
func (l *loader) mlflowOnLocalhost(r *Registry) {
	if r.URL == "" || l.in.LookupHost == nil {
		return
	}
	u, err := url.Parse(r.URL)
	if err != nil || !strings.EqualFold(u.Hostname(), "mlflow") {
		return
	}
	if addresses, err := l.in.LookupHost("mlflow"); err == nil && len(addresses) > 0 {
		return
	}
	u.Host = "localhost" + u.Host[len("mlflow"):]
	r.URL = u.String()
	l.keys["registry"].derived = "host mlflow does not resolve, localhost instead"
	l.note("the registry's host mlflow does not resolve here, so it is %s", r.URL)
}
