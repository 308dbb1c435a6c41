package podlogs

import (
	"bytes"
	"strconv"
	"time"
)

// A Line is one line that a container printed.
type Line struct {
	Time   time.Time
	Stream string // "stdout" or "stderr"
	Text   string // without the line feed
}

// entry is one record of a log file as the CRI lays it down:
//
//	2026-01-02T15:04:05.999999999Z stdout F text of a whole line
//	2026-01-02T15:04:05.999999999Z stdout P a piece of a line that goes on
type entry struct {
	time    time.Time
	stream  string
	text    []byte
	partial bool
	before  int // how much of a line is before it, where it says so
}

// parse reads one record, without its line feed. What does not look like one is
// text all the same: it is better shown without a time than lost.
func parse(record []byte) entry {
	stamp, rest, ok1 := bytes.Cut(record, []byte(" "))
	stream, rest, ok2 := bytes.Cut(rest, []byte(" "))
	tags, text, ok3 := bytes.Cut(rest, []byte(" "))
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if !ok1 || !ok2 || err != nil {
		return entry{text: record}
	}
	if !ok3 {
		text = nil // The CRI may leave out the space before an empty line.
	}
	tag, more, _ := bytes.Cut(tags, []byte(":"))
	before, _ := strconv.Atoi(string(more)) // Others say nothing, or something else.
	return entry{time: t, stream: string(stream), text: text, partial: string(tag) == "P", before: before}
}
