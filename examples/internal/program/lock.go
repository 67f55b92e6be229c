package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/internal/filelock"
)

const (
	lockFile   = "trainer.lock"
	holderFile = "trainer.lock.json" // beside it, since a locked file cannot be read everywhere
)

// holder is who works in a folder.
type holder struct {
	Process int       `json:"process"`
	User    string    `json:"user"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
}

// LockFolder keeps a second program out of a working folder until unlock is called or this one ends, however it ends. The
// error says who is in it. On a file system without locks it says so in the log, and locks nothing.
func LockFolder(dir string, environ []string, log *slog.Logger) (unlock func() error, err error) {
	lock, err := filelock.Try(filepath.Join(dir, lockFile))
	if errors.Is(err, errors.ErrUnsupported) {
		log.Warn("two programs that work in one folder would not notice", "folder", dir, "error", err)
		return func() error { return nil }, nil
	} else if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, holderFile)
	if lock == nil {
		var h holder
		who := "another program"
		if data, err := os.ReadFile(name); err == nil && json.Unmarshal(data, &h) == nil {
			who = fmt.Sprintf("process %d of %s, since %s (%s),", h.Process, h.User, h.Since.Local().Format("2006-01-02 15:04:05"), h.Command)
		}
		return nil, fmt.Errorf("%s works in the folder %s: wait until it ends, or use another folder with -data", who, dir)
	}
	data, err := json.Marshal(holder{os.Getpid(), User(environ), time.Now().UTC(), filepath.Base(os.Args[0]) + " " + strings.Join(os.Args[1:], " ")})
	if err == nil {
		err = atomicfile.Write(name, append(data, '\n'))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return func() error { return errors.Join(os.Remove(name), lock.UnlockAndRemove()) }, nil
}
