package cri

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
	entries []byte // reused
	now     func() time.Time
}

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
		}
		if ended {
			w.add(head, "F", w.rest)
			w.rest = w.rest[:0]
		}
		rest = after
	}

	_, _ = w.log.Write(w.entries)
	return len(p), nil
}

// flush writes what is left of a line that the process never ended. It stays a part, so
// that a reader adds no newline that nobody wrote.
func (w *entryWriter) flush() {
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
