package podlogs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxLine is where a line without an end is broken in two.
const maxLine = 1 << 20

// A Reader reads one log line by line, from one rotation to the next, and goes
// on where it stopped when the log has grown.
type Reader struct {
	Log Log

	file    *os.File
	number  int // of the file that is open, or was last
	started bool
	unread  []byte // bytes read from the file and not yet parsed
	chunk   []byte
	pieces  map[string]*Line // lines whose end is still to come, by stream
	last    map[string]time.Time
}

// Read returns a reader that starts at the log's first line. Close it after use.
func (l Log) Read() *Reader { return &Reader{Log: l} }

// Next returns the next line. It returns false when there is none for now; a
// later call returns what has been printed since.
func (r *Reader) Next() (Line, bool, error) {
	for {
		if record, ok := r.record(); ok {
			if line, whole := r.join(parse(record)); whole {
				return line, true, nil
			}
			continue
		}
		more, err := r.fill()
		if err != nil {
			return Line{}, false, fmt.Errorf("read log of container %q of pod %s/%s: %w", r.Log.Container, r.Log.Pod.Namespace, r.Log.Pod.Name, err)
		}
		if !more {
			return Line{}, false, nil
		}
	}
}

// Rest returns what was printed after the last line feed. Call it when the
// container has ended and Next has no more.
func (r *Reader) Rest() []Line {
	if len(r.unread) > 0 {
		if line, whole := r.join(parse(r.unread)); whole {
			r.unread = nil
			return []Line{line}
		}
		r.unread = nil
	}
	var rest []Line
	for _, stream := range []string{"stdout", "stderr"} {
		if l := r.pieces[stream]; l != nil {
			rest = append(rest, *l)
			delete(r.pieces, stream)
		}
	}
	return rest
}

// Unended returns, of each stream, the line that has no end yet, if it draws over
// itself and the runtime says beside the log how far it has come. Call it when
// Next has no more; logPath is the log as the kubelet has it.
func (r *Reader) Unended(logPath string) []Line {
	var all []Line
	for _, stream := range []string{"stdout", "stderr"} {
		data, err := os.ReadFile(strings.TrimSuffix(logPath, ".log") + "." + stream + ".line")
		record, whole := bytes.CutSuffix(data, []byte("\n"))
		if err != nil || !whole {
			continue // There is none, or it is just being written.
		}
		e, begun := parse(record), ""
		if l := r.pieces[stream]; l != nil {
			begun = l.Text
		}
		if e.partial && e.before == len(begun) && !e.time.Before(r.last[stream]) {
			all = append(all, Line{Time: e.time, Stream: stream, Text: begun + string(e.text)})
		}
	}
	return all
}

// Close lets go of the file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// record takes one record from what has been read.
func (r *Reader) record() ([]byte, bool) {
	i := bytes.IndexByte(r.unread, '\n')
	if i < 0 {
		if len(r.unread) < maxLine {
			return nil, false
		}
		i = maxLine - 1
	}
	record := r.unread[:i]
	r.unread = r.unread[i+1:]
	return record, true
}

// join puts the pieces of a line together again.
func (r *Reader) join(e entry) (Line, bool) {
	if r.last == nil {
		r.last = map[string]time.Time{}
	}
	r.last[e.stream] = e.time
	begun := r.pieces[e.stream]
	if begun == nil {
		begun = &Line{Time: e.time, Stream: e.stream}
	}
	begun.Text += string(e.text)
	if e.partial && len(begun.Text) < maxLine {
		if r.pieces == nil {
			r.pieces = map[string]*Line{}
		}
		r.pieces[e.stream] = begun
		return Line{}, false
	}
	delete(r.pieces, e.stream)
	return *begun, true
}

// fill reads on, from the next file when this one is at its end.
func (r *Reader) fill() (bool, error) {
	if r.file == nil {
		return r.open()
	}
	if more, err := r.read(); more || err != nil {
		return more, err
	}
	next, err := r.following()
	if next == nil || err != nil {
		return false, err
	}
	// The writer may have added to this file until the next one was there.
	if more, err := r.read(); more || err != nil {
		return more, err
	}
	return r.open()
}

func (r *Reader) read() (bool, error) {
	if r.chunk == nil {
		r.chunk = make([]byte, 64<<10)
	}
	n, err := r.file.Read(r.chunk)
	r.unread = append(r.unread, r.chunk[:n]...)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n > 0, err
}

// open goes to the file that follows.
func (r *Reader) open() (bool, error) {
	next, err := r.following()
	if next == nil || err != nil {
		return false, err
	}
	file, err := os.Open(next.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // It was pruned since; the next call finds the one after.
	}
	if err != nil {
		return false, err
	}
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.number, r.started = file, next.number, true
	return true, nil
}

// following returns the first file after the one that is open; nil if none.
func (r *Reader) following() (*segment, error) {
	segments, err := segmentsOf(r.Log.dir, r.Log.Attempt)
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		if !r.started || s.number > r.number {
			return &s, nil
		}
	}
	return nil, nil
}

// Tail returns the last n lines of a log, of those in its last quarter of a
// megabyte.
func (l Log) Tail(n int) ([]Line, error) {
	r, err := l.end(256 << 10)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var lines []Line
	for {
		line, ok, err := r.Next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		lines = append(lines, line)
	}
	lines = append(lines, r.Rest()...)
	return lines[max(0, len(lines)-n):], nil
}

// end returns a reader that starts at a line within the last size bytes.
func (l Log) end(size int64) (*Reader, error) {
	r := l.Read()
	segments, err := segmentsOf(l.dir, l.Attempt)
	if err != nil {
		return nil, fmt.Errorf("read log of container %q of pod %s/%s: %w", l.Container, l.Pod.Namespace, l.Pod.Name, err)
	}
	for i := len(segments) - 1; i >= 0; i-- {
		info, err := os.Stat(segments[i].path)
		if err != nil {
			break
		}
		r.number, r.started = segments[i].number-1, true
		if info.Size() < size {
			size -= info.Size()
			continue
		}
		if _, err := r.open(); err != nil || r.file == nil {
			return r, err
		}
		if _, err := r.file.Seek(-size, io.SeekEnd); err != nil {
			return r, err
		}
		if info.Size() == size {
			return r, nil
		}
		for { // Leave out the line that the cut is in.
			if _, ok := r.record(); ok {
				return r, nil
			}
			if more, err := r.read(); !more || err != nil {
				return r, err
			}
		}
	}
	return r, nil //nolint:nilerr // A file that is gone by now is where the log begins.
}
