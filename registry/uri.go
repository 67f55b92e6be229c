package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// URI names a version of a model, or artifacts of a run, in MLflow's notation:
//
//	models:/handbook/Production   {Name, Stage}     the version promoted last
//	models:/handbook/3            {Name, Version}
//	models:/handbook/latest       {Name}            the highest version
//	models:/handbook@champion     {Name, Alias}
//	models:/m-0123abcd            {ModelID}         a logged model of MLflow 3; never a registered model's name
//	runs:/<id>/model              {RunID, Path}
//
// Behind all but the logged model a path may reach inside, as in models:/handbook/3/tokenizer. Stages and "latest"
// are read in any case and written in theirs.
type URI struct {
	Name    string
	Version int
	Stage   Stage
	Alias   string
	ModelID string
	RunID   string
	Path    string
}

const uriForms = "write models:/name/Production, models:/name/3, models:/name/latest, models:/name@alias or runs:/id/path"

// ParseURI reads a URI. Parsing u.String() gives u again.
func ParseURI(s string) (URI, error) {
	u, err := parseURI(s)
	if err == nil {
		err = u.Validate()
	}
	if err != nil {
		return URI{}, &Error{Op: "parse URI", Name: s, Err: err}
	}
	return u, nil
}

func parseURI(s string) (URI, error) {
	if rest, ok := strings.CutPrefix(s, "runs:/"); ok {
		id, path, found := strings.Cut(rest, "/")
		if found && path == "" {
			return URI{}, &Error{Err: fmt.Errorf("%w: no path behind the last slash", ErrInvalid), Hint: uriForms}
		}
		return URI{RunID: id, Path: path}, nil
	}
	rest, ok := strings.CutPrefix(s, "models:/")
	if !ok {
		return URI{}, &Error{Err: fmt.Errorf("%w: not a models:/ or runs:/ URI", ErrInvalid), Hint: uriForms}
	}
	head, tail, slash := strings.Cut(rest, "/")
	if name, alias, at := strings.Cut(head, "@"); at {
		if slash && tail == "" {
			return URI{}, &Error{Err: fmt.Errorf("%w: no path behind the last slash", ErrInvalid), Hint: uriForms}
		}
		if err := checkAliasForm(alias); err != nil {
			return URI{}, err
		}
		return URI{Name: name, Alias: alias, Path: tail}, nil
	}
	if !slash {
		if strings.HasPrefix(head, "m-") {
			return URI{ModelID: head}, nil
		}
		return URI{}, &Error{Err: fmt.Errorf("%w: a model without version, stage or alias", ErrInvalid), Hint: uriForms}
	}
	selector, path, deeper := strings.Cut(tail, "/")
	if deeper && path == "" {
		return URI{}, &Error{Err: fmt.Errorf("%w: no path behind the last slash", ErrInvalid), Hint: uriForms}
	}
	u := URI{Name: head, Path: path}
	switch {
	case strings.EqualFold(selector, "latest"):
	case selector != "" && strings.Trim(selector, "0123456789") == "":
		n, err := strconv.Atoi(selector)
		if err != nil || n < 1 {
			return URI{}, &Error{Err: fmt.Errorf("%w: version %s", ErrInvalid, selector), Hint: "versions count from 1"}
		}
		u.Version = n
	default:
		stage, err := ParseStage(selector)
		if err != nil {
			return URI{}, &Error{Err: fmt.Errorf("%w: %q is no version and no stage", ErrInvalid, selector),
				Hint: "stages are None, Staging, Production and Archived; an alias is written models:/name@alias"}
		}
		u.Stage = stage
	}
	return u, nil
}

// Validate reports whether u names exactly one thing by legal names.
func (u URI) Validate() error {
	if err := u.checkShape(); err != nil {
		return err
	}
	var err error
	switch {
	case u.RunID != "":
		err = checkToken(u.RunID, 128, "the id of a run")
	case u.ModelID != "":
		err = checkToken(u.ModelID, 128, "the id of a logged model")
	default:
		err = CheckName(u.Name)
	}
	if err == nil && u.Alias != "" {
		err = checkAliasForm(u.Alias)
	}
	if err == nil && u.Path != "" {
		err = CheckPath(u.Path)
	}
	return err
}

// checkShape checks which fields are set together, and those of a closed set of values.
func (u URI) checkShape() error {
	owners, selectors := 0, 0
	for _, set := range []bool{u.Name != "", u.RunID != "", u.ModelID != ""} {
		if set {
			owners++
		}
	}
	for _, set := range []bool{u.Version != 0, u.Stage != "", u.Alias != ""} {
		if set {
			selectors++
		}
	}
	reason := ""
	switch {
	case owners > 1 || selectors > 1 || selectors == 1 && u.RunID+u.ModelID != "":
		reason = "names more than one thing"
	case u.Version < 0:
		reason = "a negative version"
	case u.ModelID != "" && u.Path != "":
		reason = "a path behind a logged model"
	case u.ModelID != "" && !strings.HasPrefix(u.ModelID, "m-"):
		reason = "a logged model's id begins with m-"
	case u.Stage != "":
		if stage, err := ParseStage(string(u.Stage)); err != nil || stage != u.Stage {
			reason = fmt.Sprintf("%q is not a stage", u.Stage)
		}
	}
	if reason == "" {
		return nil
	}
	return &Error{Err: fmt.Errorf("%w: %s", ErrInvalid, reason), Hint: uriForms}
}

// String writes u in the notation that ParseURI reads.
func (u URI) String() string {
	var s string
	switch {
	case u.RunID != "":
		s = "runs:/" + u.RunID
	case u.ModelID != "":
		s = "models:/" + u.ModelID
	case u.Alias != "":
		s = "models:/" + u.Name + "@" + u.Alias
	case u.Version != 0:
		s = "models:/" + u.Name + "/" + strconv.Itoa(u.Version)
	case u.Stage != "":
		s = "models:/" + u.Name + "/" + string(u.Stage)
	default:
		s = "models:/" + u.Name + "/latest"
	}
	if u.Path != "" {
		s += "/" + u.Path
	}
	return s
}
