package cri

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// maxLogLine is how much of a line one entry of a log holds; the kubelet expects
// a runtime to cut longer ones into parts.
const maxLogLine = 16 << 10

// A logFile holds what one instance wrote, in the CRI's format, an entry a line:
//
//	2026-11-25T13:01:53.000000000Z stdout F a whole line, or the end of one
//	2026-11-25T13:01:53.000000000Z stdout P a part that the next entry goes on with
//
// An entry that cannot be written is lost: a full disk must not stop the process
// that writes the log.
//
// A line that draws over itself may have no end for minutes. As far as it has come
// it stands beside the log, where no reader of logs looks, in 0.stdout.line for 0.log,
// as an entry that says how much of the line is before it:
//
//	2026-11-25T13:01:53.000000000Z stdout P:32768 what comes after so many bytes
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// openLog opens the log at path, and makes the folders above it.
func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	if path == "" {
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open log %s: %w", path, err)
	}
	return l, l.reopen()
}

// reopen goes on in a new file at the log's path, after somebody moved the old one
// away. When that fails, the log goes on in the old file.
func (l *logFile) reopen() error {
	if l.path == "" {
		return nil
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log %s: %w", l.path, err)
	}

	l.mu.Lock()
	old := l.file
	l.file = file
	l.mu.Unlock()

	if old != nil {
		_ = old.Close()
	}
	return nil
}

// Write appends whole entries. It never fails: see logFile.
func (l *logFile) Write(entries []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_, _ = l.file.Write(entries)
	}
	return len(entries), nil
}

// beside is the file with what has come of a line of a stream.
func (l *logFile) beside(stream string) string {
	return strings.TrimSuffix(l.path, ".log") + "." + stream + ".line"
}

// close ends the log. What is written to it afterwards is lost.
func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// An entryWriter cuts the bytes of one stream into entries of a log. All entries made of
// one read carry one time, and go to the file in one write: that is what lets a
// process write a hundred thousand lines a second.
type entryWriter struct {
	log    *logFile
	stream string // stdout or stderr

	rest    []byte // of a line whose end has not come yet; at most maxLogLine
	before  int    // how much of that line is in the log already
	shown   time.Time
	entries []byte // reused
	now     func() time.Time
}

// showEvery is how often a line without an end is shown beside the log.
const showEvery = time.Second

// Write takes the next bytes of the stream.
func (w *entryWriter) Write(p []byte) (int, error) {
	head := w.head()
	w.entries = w.entries[:0]

	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		w.rest = append(w.rest, line...)
		for len(w.rest) > maxLogLine {
			w.add(head, "P", w.rest[:maxLogLine])
			w.rest = append(w.rest[:0], w.rest[maxLogLine:]...)
			w.before += maxLogLine
		}
		if ended {
			w.add(head, "F", w.rest)
			w.rest, w.before = w.rest[:0], 0
		}
		rest = after
	}

	_, _ = w.log.Write(w.entries)
	if len(w.rest) > 0 && bytes.LastIndexByte(p, '\r') > bytes.LastIndexByte(p, '\n') {
		w.show()
	}
	return len(p), nil
}

// show says beside the log how far a line has come that draws over itself.
func (w *entryWriter) show() {
	now := w.now()
	if w.log.path == "" || now.Sub(w.shown) < showEvery {
		return
	}
	w.shown = now
	w.entries = w.entries[:0]
	w.add(w.head(), fmt.Sprintf("P:%d", w.before), w.rest)
	_ = os.WriteFile(w.log.beside(w.stream), w.entries, 0o640) // If it fails, it is seen later.
}

// flush writes what is left of a line that the process never ended. It stays a part, so
// that a reader adds no newline that nobody wrote.
func (w *entryWriter) flush() {
	if !w.shown.IsZero() {
		_ = os.Remove(w.log.beside(w.stream))
	}
	if len(w.rest) == 0 {
		return
	}
	w.entries = w.entries[:0]
	w.add(w.head(), "P", w.rest)
	w.rest = nil
	_, _ = w.log.Write(w.entries)
}

// head is what every entry made now begins with.
func (w *entryWriter) head() string {
	return w.now().UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + w.stream + " "
}

func (w *entryWriter) add(head, tag string, text []byte) {
	w.entries = append(w.entries, head...)
	w.entries = append(w.entries, tag...)
	w.entries = append(w.entries, ' ')
	w.entries = append(w.entries, text...)
	w.entries = append(w.entries, '\n')
}
