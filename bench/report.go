package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A report is tables in Markdown, written row by row.
type report struct {
	out     io.Writer
	columns []string // of the table that was begun last
}

func (r *report) begin(machine string) { fmt.Fprintf(r.out, "On %s.\n", machine) }

// table begins a table.
func (r *report) table(columns ...string) {
	r.columns = columns
	fmt.Fprintln(r.out)
	r.cells(columns...)
	fmt.Fprintf(r.out, "|%s\n", strings.Repeat("---|", len(columns)))
}

// cells is a row of the table that was begun.
func (r *report) cells(values ...string) { fmt.Fprintf(r.out, "| %s |\n", strings.Join(values, " | ")) }

// row is one figure, in a table of two columns. What it stands beside is written
// into it.
func (r *report) row(what, format string, args ...any) {
	if len(r.columns) != 2 {
		r.table("", "")
	}
	r.cells(what, fmt.Sprintf(format, args...))
}

func (r *report) end(machine string) { fmt.Fprintf(r.out, "\nIn the end: %s.\n", machine) }

// machine says on what the figures were taken, and how busy that was.
func machine() string {
	var u syscall.Utsname
	kernel := "?"
	if syscall.Uname(&u) == nil {
		var b strings.Builder
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			b.WriteByte(byte(c))
		}
		kernel = b.String()
	}
	load := "?"
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(data))[:3], " ")
	}
	return fmt.Sprintf("%d cores, Linux %s, %s, load %s", runtime.NumCPU(), kernel, runtime.Version(), load)
}

// samples are durations of one thing.
type samples []time.Duration

// quantile is the sample below which a share of them lies.
func (s samples) quantile(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func (s samples) median() time.Duration { return s.quantile(0.5) }

// short prints a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
