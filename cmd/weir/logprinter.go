package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// A logPrinter prints lines with the name of the replica before each, if there
// is more than one.
type logPrinter struct {
	out        io.Writer
	errors     io.Writer               // for what is printed as errors; nil for out
	short      func(pod string) string // what a pod is called; nil for its name
	colored    bool
	timestamps bool

	containers map[string]map[string]bool // by pod
	colors     map[string]int             // by name of replica
	width      int                        // of the longest name
}

// expect makes room for the names of logs that are going to be printed, and of
// replicas of which some may come later.
func (p *logPrinter) expect(logs []podlogs.Log, replicas []string) {
	if p.containers == nil {
		p.containers, p.colors = map[string]map[string]bool{}, map[string]int{}
	}
	if len(replicas) > 1 {
		for _, name := range replicas {
			p.reserve(name)
		}
	}
	for _, l := range logs {
		if p.containers[l.Pod.Name] == nil {
			p.containers[l.Pod.Name] = map[string]bool{}
		}
		p.containers[l.Pod.Name][l.Container] = true
	}
	for _, l := range logs {
		p.reserve(p.name(&l))
	}
}

func (p *logPrinter) reserve(name string) {
	if _, known := p.colors[name]; !known {
		p.colors[name] = len(p.colors)
	}
	p.width = max(p.width, len(name))
}

// drain prints every line that there is now, and says how many.
func (p *logPrinter) drain(m *podlogs.Merger) (int, error) {
	out := bufio.NewWriter(p.out)
	for n := 0; ; n++ {
		log, line, ok, err := m.Next()
		if err != nil {
			return n, err
		}
		if !ok {
			return n, out.Flush()
		}
		if p.errors == nil || line.Stream != "stderr" {
			p.print(out, log, line)
			continue
		}
		if err := out.Flush(); err != nil { // Both may be the same file.
			return n, err
		}
		var text bytes.Buffer
		p.print(&text, log, line)
		if _, err := p.errors.Write(text.Bytes()); err != nil {
			return n, err
		}
	}
}

func (p *logPrinter) print(w io.Writer, log *podlogs.Log, line podlogs.Line) {
	if len(p.colors) > 1 {
		name := p.name(log)
		prefix := fmt.Sprintf("%-*s |", p.width, name)
		if p.colored {
			prefix = inColor(p.colors[name], prefix)
		}
		fmt.Fprint(w, prefix, " ")
	}
	if p.timestamps {
		fmt.Fprint(w, line.Time.UTC().Format(time.RFC3339Nano), " ")
	}
	fmt.Fprintln(w, line.Text)
}

// name is that of the replica, and of the container if it has more than one.
func (p *logPrinter) name(l *podlogs.Log) string {
	name := l.Pod.Name
	if p.short != nil {
		name = p.short(name)
	}
	if len(p.containers[l.Pod.Name]) > 1 {
		name += "/" + l.Container
	}
	return name
}

// inColor colors a text by one of six colors.
func inColor(i int, text string) string {
	colors := [...]int{36, 33, 32, 35, 34, 31}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colors[i%len(colors)], text)
}
