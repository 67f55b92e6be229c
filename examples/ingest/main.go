// Command ingest reads a folder of documents into one JSON line for each:
//
//	go run ./examples/ingest ./guides -out rows.jsonl
//
// A row is {"doc_id": path, "text": …, "pages": [{"number", "text"}], "outcome", "title", "media_type", "language", "digest",
// "faults"}. Every document has one, in the order of their paths, whatever became of it. The report beside the rows tells what
// was not read, and why. Ctrl-C ends the program and keeps what was read.
//
// It has no device, model or registry, and so none of the settings that the other programs share: flags do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
)

func main() {
	if documents.RunChild(scans{}) {
		return
	}
	program.Main(run)
}

// command is what the flags say.
type command struct {
	tesseract, languages               string
	folder, out, report, engine, cache string
	include, exclude                   []string
	password                           string
	timeout                            time.Duration
	workers, maxPages, memory, maxFile int
	trusted, verbose                   bool
	mainContent, systemFiles           bool
	cleanup                            ingest.Cleanup
}

const usage = `ingest reads a folder of documents (PDF, Word, HTML, Markdown, plain text) into JSON lines.

Usage

  go run ./examples/ingest FOLDER -out rows.jsonl [flags]

Flags

`

func (c *command) flags() *flag.FlagSet {
	f := flag.NewFlagSet("ingest", flag.ContinueOnError)
	f.SetOutput(io.Discard) // main prints the error
	f.StringVar(&c.out, "out", "", "file for the rows, JSON lines; required")
	f.StringVar(&c.report, "report", "", "file for the outcome of each document, JSON; the rows' name with .report.json when empty")
	f.StringVar(&c.engine, "engine", "both", "what reads PDFs: own, pdfium, or both: pdfium where the own one fails")
	f.StringVar(&c.cache, "cache", "", "folder that keeps what was read, so that unchanged files are not read again")
	several := func(all *[]string) func(string) error {
		return func(s string) error { *all = append(*all, s); return nil }
	}
	f.Func("include", "read only paths that match, such as \"*.pdf\" or \"2025/**\"; may be given again", several(&c.include))
	f.Func("exclude", "leave out paths that match; may be given again", several(&c.exclude))
	f.StringVar(&c.password, "password", "", "password of encrypted PDFs; INGEST_PASSWORD in the environment keeps it out of process lists")
	f.DurationVar(&c.timeout, "timeout", time.Minute, "time for one document")
	f.IntVar(&c.workers, "workers", 0, "documents read at the same time; 0 = one for each core, and one more in child processes")
	f.IntVar(&c.maxPages, "max-pages", 0, "pages read of one PDF; 0 = all")
	f.IntVar(&c.memory, "memory", 512, "memory for one document in MiB")
	f.IntVar(&c.maxFile, "max-file", 256, "largest file in MiB")
	f.BoolVar(&c.trusted, "trusted", false, "read in this process: faster, but one bad file can take it down")
	f.BoolVar(&c.cleanup.KeepHeaders, "keep-headers", false, "keep running headers and footers")
	f.BoolVar(&c.cleanup.KeepHyphens, "keep-hyphens", false, "keep soft hyphens and hyphens at line ends")
	f.BoolVar(&c.cleanup.KeepLigatures, "keep-ligatures", false, "keep ligature characters")
	f.BoolVar(&c.cleanup.KeepControls, "keep-controls", false, "keep control characters and U+FFFD")
	f.BoolVar(&c.mainContent, "main-content", false, "leave out navigation, cookie banners and the like of web pages")
	f.BoolVar(&c.systemFiles, "system-files", false, "read what version control, systems and office programs keep for themselves too")
	f.StringVar(&c.tesseract, "ocr", "", "Tesseract, which reads scanned pages: \"tesseract\", or its path; none = they have no text")
	f.StringVar(&c.languages, "ocr-languages", "eng", "languages of scanned pages, as eng+deu")
	f.BoolVar(&c.verbose, "v", false, "log each document to standard error")
	return f
}

// parse takes the folder before, between or behind the flags.
func (c *command) parse(args, environ []string) error {
	rest, err := program.Operands(c.flags(), args)
	if err != nil {
		return err
	}
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "INGEST_PASSWORD="); ok && c.password == "" {
			c.password = value
		}
	}
	switch {
	case len(rest) != 1:
		return fmt.Errorf("one folder must be named, not %d: ingest FOLDER -out rows.jsonl", len(rest))
	case c.out == "":
		return errors.New("-out must name the file for the rows")
	case c.engine != "own" && c.engine != "pdfium" && c.engine != "both":
		return fmt.Errorf("-engine %q: must be own, pdfium or both", c.engine)
	case c.memory <= 0 || c.maxFile <= 0 || c.maxPages < 0 || c.timeout <= 0 || c.workers < 0:
		return errors.New("-memory, -max-file and -timeout must be above 0, -max-pages and -workers not below")
	}
	if c.tesseract != "" { // children have no environment, and another folder, to find it in
		found, err := exec.LookPath(c.tesseract)
		if err != nil {
			return fmt.Errorf("-ocr: %w: install Tesseract (Debian's tesseract-ocr), or give its path", err)
		}
		if c.tesseract, err = filepath.Abs(found); err != nil {
			return err
		}
	}
	c.folder = rest[0]
	if c.report == "" {
		c.report = strings.TrimSuffix(c.out, filepath.Ext(c.out)) + ".report.json"
	}
	return nil
}

// run is the program. Beside stdout it writes logs to standard error, and the two files.
func run(ctx context.Context, args, environ []string, stdout io.Writer) error {
	var c command
	if err := c.parse(args, environ); errors.Is(err, flag.ErrHelp) {
		return program.Help(stdout, usage, new(command).flags())
	} else if err != nil {
		return err
	}
	if info, err := os.Stat(c.folder); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is a file: name the folder it lies in", c.folder)
	}
	level := slog.LevelWarn
	if c.verbose {
		level = slog.LevelDebug
	}
	out := progress.New(stdout, progress.Options{Log: os.Stderr})
	defer out.End()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	options, engine := c.options(log, out)
	defer engine.Close()

	var report ingest.Report
	if _, err := dataset.WriteFile(c.out, rows(ctx, os.DirFS(c.folder), options, &report)); err != nil {
		return fmt.Errorf("reading %s: %w", c.folder, err)
	}
	out.End()
	if err := writeReport(c.report, &report); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "%s\nrows: %s\nreport: %s\n", &report, c.out, c.report)
	if report.Stopped {
		return fmt.Errorf("stopped: %d documents are in %s; with -cache DIR another run goes on from there: %w", len(report.Documents), c.out, context.Cause(ctx))
	}
	return err
}

// options joins the engines as -engine says.
func (c *command) options(log *slog.Logger, out *progress.Progress) (ingest.Options, *pdfium.PDF) {
	own := ingest.PDF{Password: c.password, MaxPages: c.maxPages, Cleanup: c.cleanup}
	engine := documents.PDFium(c.password)
	engine.MaxPages, engine.Cleanup = c.maxPages, c.cleanup
	o := ingest.Options{
		Readers: formats.Readers(), Include: c.include, Exclude: c.exclude,
		MaxFileBytes: int64(c.maxFile) << 20, Timeout: c.timeout, Workers: c.workers,
		CacheDir: c.cache, SystemFiles: c.systemFiles, Logger: log,
		Progress: func(p ingest.Progress) {
			out.Show("read", int64(p.Done), int64(p.Total), progress.Field{Name: "documents/s", Value: fmt.Sprintf("%.1f", p.PerSecond)})
		},
	}
	o.Readers[".pdf"] = own
	if c.tesseract != "" {
		o.Readers[".pdf"] = scans{own, c.tesseract, c.languages}
	}
	for ext, r := range o.Readers {
		if _, ok := r.(ingest.HTML); ok {
			o.Readers[ext] = ingest.HTML{MainContent: c.mainContent}
		}
	}
	switch c.engine {
	case "pdfium":
		o.Readers[".pdf"] = engine
	case "both":
		o.Fallback = map[string]ingest.Reader{".pdf": engine}
	}
	if !c.trusted {
		o.Isolated = &ingest.Isolated{MaxMemory: int64(c.memory) << 20}
	}
	return o, engine
}
