package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/weir-ml/weir/kit/measure"
	"github.com/weir-ml/weir/platform/training/progress"
)

// A screen shows how the replicas of a job stand: on a terminal as a table with
// curves that is drawn again in its place, elsewhere as a line for each replica
// of which something is new.
type screen struct {
	out      io.Writer
	terminal bool
	curves   bool

	states   map[string]string // of replicas, in a word
	replicas []progress.Replica
	note     string // what holds the job up, if anything does

	drawn   int                // lines on the terminal
	last    string             // what was drawn or noted last
	heard   string             // what there was when news were last asked for
	written map[string]written // where there is no terminal
}

// written is what was last said of a replica, and when.
type written struct {
	line, coarse string
	at           time.Time
}

func newScreen(out io.Writer, curves bool) *screen {
	return &screen{out: out, terminal: isTerminal(out), curves: curves, states: map[string]string{}, written: map[string]written{}}
}

// linesEvery is how often there is a line of a replica where no epoch or state
// of it is new.
const linesEvery = 5 * time.Second

// draw brings what is shown up to date; in the end, all of it is shown.
func (s *screen) draw(now time.Time, end bool) {
	if !s.terminal {
		s.drawLines(now, end)
		return
	}
	width, height := size(s.out)
	var text strings.Builder
	for _, line := range append(s.table(width), s.charts(width, height)...) {
		text.WriteString(line + "\n")
	}
	if s.note != "" {
		text.WriteString(cut(s.note, width) + "\n")
	}
	if text.String() == s.last {
		return
	}
	s.erase()
	fmt.Fprint(s.out, text.String())
	s.last, s.drawn = text.String(), strings.Count(text.String(), "\n")
}

// erase takes away what was drawn, and leaves the cursor where it began.
func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
	}
	s.drawn, s.last = 0, ""
}

// news is whether anything was found since it was last asked.
func (s *screen) news() bool {
	now := fmt.Sprint(s.columns(), s.lastTimes())
	defer func() { s.heard = now }()
	return now != s.heard
}

// lastTimes are when each replica last said something.
func (s *screen) lastTimes() []time.Time {
	var all []time.Time
	for _, r := range s.replicas {
		all = append(all, r.Progress.At)
		for _, series := range r.Series {
			all = append(all, series.Last().Time)
		}
	}
	return all
}

// size is that of a terminal: a line that is broken in two cannot be drawn over.
func size(w io.Writer) (columns, rows int) {
	if file, ok := w.(*os.File); ok {
		if columns, rows, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}

func cut(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	return string(runes[:max(0, width-1)]) + "…"
}

// rows are the replicas that there are, by name.
func (s *screen) rows() []progress.Replica {
	all := map[string]progress.Replica{}
	for name := range s.states {
		all[name] = progress.Replica{Name: name}
	}
	for _, r := range s.replicas {
		all[r.Name] = r
	}
	return slices.SortedFunc(maps.Values(all), func(a, b progress.Replica) int { return cmp.Compare(a.Name, b.Name) })
}

// drawLines writes a line for each replica of which something is new.
func (s *screen) drawLines(now time.Time, end bool) {
	if s.note != "" && s.note != s.last {
		fmt.Fprintln(s.out, s.note)
		s.last = s.note
	}
	names := s.columns()
	for _, r := range s.rows() {
		coarse := strings.Join([]string{s.states[r.Name], epochOf(r.Progress)}, " ")
		words := []string{r.Name, s.states[r.Name], labelled("epoch", epochOf(r.Progress)), labelled("step", stepOf(r.Progress)), percentOf(r.Progress), leftOf(r.Progress)}
		for _, name := range names {
			words = append(words, labelled(strings.ReplaceAll(name, "_", " "), valueOf(r, name)))
		}
		line := strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "  ")
		before := s.written[r.Name]
		if line == before.line || coarse == before.coarse && !end && now.Sub(before.at) < linesEvery {
			continue
		}
		fmt.Fprintln(s.out, line)
		s.written[r.Name] = written{line, coarse, now}
	}
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + " " + value
}

// table has a row for each replica, and as many values as there is room for.
func (s *screen) table(width int) []string {
	for names := s.columns(); ; names = names[:len(names)-1] {
		lines := s.tableOf(names)
		fits := !slices.ContainsFunc(lines, func(l string) bool { return len([]rune(l)) > width })
		if fits {
			return lines
		}
		if len(names) == 0 {
			for i := range lines {
				lines[i] = cut(lines[i], width)
			}
			return lines
		}
	}
}

// tableOf shows some values, and of the other columns those that any replica has
// something in.
func (s *screen) tableOf(names []string) []string {
	rows := s.rows()
	if len(rows) == 0 {
		return nil
	}
	cells := [][]string{append([]string{"REPLICA", "STATE", "PROGRESS", "EPOCH", "STEP", "RATE", "LEFT"}, headers(names)...)}
	for _, r := range rows {
		p := r.Progress
		left := strings.TrimSuffix(leftOf(p), " left")
		if s.states[r.Name] != "running" {
			left = ""
		}
		row := []string{r.Name, s.states[r.Name], bar(p), epochOf(p), totalStepOf(p), rateOf(p), left}
		for _, name := range names {
			row = append(row, valueOf(r, name))
		}
		cells = append(cells, row)
	}
	used := func(column int) bool {
		return slices.ContainsFunc(cells[1:], func(row []string) bool { return row[column] != "" })
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range cells {
		var shown []string
		for i, cell := range row {
			if used(i) {
				shown = append(shown, cell)
			}
		}
		fmt.Fprintln(w, strings.Join(shown, "\t"))
	}
	_ = w.Flush() // to a buffer
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines
}

func headers(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, strings.ToUpper(strings.ReplaceAll(name, "_", " ")))
	}
	return all
}

// maxColumns is how many values a table has room for.
const maxColumns = 4

// columns are the names of the values to show: losses and accuracies, or without
// any of these the first that there are.
func (s *screen) columns() []string {
	var known, others []string
	for _, r := range s.replicas {
		for _, series := range r.Series {
			to := &others
			if progress.IsLoss(series.Name) || progress.IsAccuracy(series.Name) {
				to = &known
			}
			if !slices.Contains(*to, series.Name) {
				*to = append(*to, series.Name)
			}
		}
	}
	if len(known) == 0 {
		known = others
	}
	return known[:min(len(known), maxColumns)]
}

// barWidth is that of a bar, in letters.
const barWidth = 8

// bar draws how much is done: of the whole, or of the epoch where nobody can
// tell how many there will be.
func bar(p measure.Progress) string {
	done, ok := p.Done()
	if !ok {
		if done, ok = p.WithinEpoch(); !ok {
			return ""
		}
	}
	eighths := int(done*barWidth*8 + 0.5)
	full := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		full += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return padded(full, barWidth) + fmt.Sprintf(" %3d %%", int(done*100))
}

func percentOf(p measure.Progress) string {
	if done, ok := p.Done(); ok {
		return fmt.Sprintf("%d %%", int(done*100))
	}
	return ""
}

func epochOf(p measure.Progress) string {
	switch {
	case p.Epochs > 0:
		return fmt.Sprintf("%s/%d", short(p.Epoch), p.Epochs)
	case p.Epoch > 0:
		return short(p.Epoch)
	}
	return ""
}

func stepOf(p measure.Progress) string {
	switch {
	case p.Steps > 0:
		return fmt.Sprintf("%d/%d", p.Step, p.Steps)
	case p.Step > 0:
		return strconv.FormatInt(p.Step, 10)
	}
	return ""
}

// totalStepOf is the step of the whole training; that of an epoch is in its bar.
func totalStepOf(p measure.Progress) string {
	if p.PerEpoch && p.Epochs > 0 {
		return ""
	}
	return stepOf(p)
}

func rateOf(p measure.Progress) string {
	rate, ok := p.Rate()
	if !ok {
		return ""
	}
	return strconv.FormatFloat(rate, 'g', 3, 64) + "/s"
}

func leftOf(p measure.Progress) string {
	left, ok := p.Left()
	if !ok || left < time.Second {
		return ""
	}
	return left.Round(time.Second).String() + " left"
}

// valueOf is the last value of a name that a replica has.
func valueOf(r progress.Replica, name string) string {
	for _, s := range r.Series {
		if s.Name == name {
			return strconv.FormatFloat(s.Last().Value, 'g', 4, 64)
		}
	}
	return ""
}

// charts draws the curves of the replica that leads, side by side.
func (s *screen) charts(width, height int) []string {
	lead := progress.Lead(s.replicas)
	if !s.curves || lead == nil {
		return nil
	}
	var all []chart
	whatever := func(string) bool { return true }
	for i, is := range []func(string) bool{progress.IsLoss, progress.IsAccuracy, whatever} {
		if found := drawable(s.replicas, lead, is); len(found) > 0 && (i < 2 || len(all) == 0) {
			all = append(all, chart{series: found})
		}
	}
	if len(all) == 0 {
		return nil
	}
	each := min(60, (width-2)/len(all)-12)
	high := min(8, height-len(s.rows())-6)
	if each < 10 || high < 3 {
		return nil // The table alone has to do.
	}
	lines := make([]string, high+2)
	for i := range all {
		all[i].width, all[i].height = each, high
		for n, line := range all[i].lines(true) {
			if i > 0 {
				line = "   " + line
			}
			lines[n] += line
		}
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return append([]string{""}, lines...)
}

// drawable are up to two courses of one kind: of the replica that leads, or else
// of the first that has any. Two points make a line.
func drawable(replicas []progress.Replica, lead *progress.Replica, is func(string) bool) []progress.Series {
	for _, r := range append([]progress.Replica{*lead}, replicas...) {
		var found []progress.Series
		for _, s := range r.Series {
			if is(s.Name) && len(s.Points) > 1 && len(found) < 2 {
				found = append(found, s)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}
