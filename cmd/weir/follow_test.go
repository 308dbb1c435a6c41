package main

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// What is handed over of a line while it draws over itself is not handed over
// again when it ends.
func TestDrawing(t *testing.T) {
	d := drawing{}
	at := time.Unix(1000, 0)
	line := func(stream, text string) podlogs.Line {
		at = at.Add(time.Second)
		return podlogs.Line{Time: at, Stream: stream, Text: text}
	}
	var got []string
	for _, text := range []string{"Epoch 1", "Epoch 1\r10%\r2", "Epoch 1\r10%\r20%", "Epoch 1\r10%\r20%\r30%"} {
		if l, ok := d.more(line("stderr", text)); ok {
			got = append(got, l.Text)
		}
	}
	got = append(got, d.rest(line("stdout", "other")).Text)
	long := line("stderr", "Epoch 1\r10%\r20%\r30%\r100%")
	long.Time = at.Add(-time.Hour)
	last := d.rest(long)
	got = append(got, last.Text, d.rest(line("stderr", "Epoch 2")).Text)
	if got, want := strings.Join(got, "|"), "Epoch 1\r10%|\r20%|other|\r30%\r100%|Epoch 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if last.Time.Before(time.Unix(1000, 0)) {
		t.Errorf("the end of a line is from before its middle: %s", last.Time)
	}
}
