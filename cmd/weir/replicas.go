package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/explain"
)

// A replicaView shows the replicas of a job side by side, as they go: on a
// terminal as a table that is drawn again in its place, elsewhere as a line for
// each step that a replica takes.
type replicaView struct {
	out      io.Writer
	terminal bool
	finder   *logFinder

	replicas map[string]*replica
	note     string // what holds the job up, if anything does
	drawn    int    // lines of the table on the screen
	last     string // what was drawn or noted last
}

// A replica is one row.
type replica struct {
	state string
	progress
	written string // the line that was written last, where there is no terminal
}

// newReplicaView shows a job of the weir in dir.
func newReplicaView(dir string, config *rest.Config, kind, namespace, name string, out io.Writer) (*replicaView, error) {
	mapper, err := newMapper(config)
	if err != nil {
		return nil, err
	}
	t, err := parseTarget(mapper, []string{kind, name}, namespace)
	if err != nil {
		return nil, err
	}
	reader, err := newClient(config, mapper)
	if err != nil {
		return nil, err
	}
	store := podlogs.View(cluster.KeptLogs(dir))
	return &replicaView{
		out:      out,
		terminal: isTerminal(out),
		replicas: map[string]*replica{},
		finder: &logFinder{
			target:  t,
			options: logOptions{follow: true},
			store:   store,
			source:  explain.Source{Reader: reader, Mapper: mapper, Logs: keptTail(store)},
			chosen:  map[string]podlogs.Log{},
		},
	}, nil
}

// show shows the replicas until the job has ended, and returns what there is to
// say of that.
func (v *replicaView) show(ctx context.Context) (explain.Explanation, error) {
	var m podlogs.Merger
	defer m.Close()
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	var looked time.Time
	for {
		ended := false
		if now := time.Now(); now.Sub(looked) >= findEvery {
			looked = now
			found, err := v.look(ctx)
			if err != nil {
				return explain.Explanation{}, err
			}
			for _, l := range found.logs {
				m.Add(l.Read())
			}
			ended = found.ended
		}
		if err := v.read(&m); err != nil {
			return explain.Explanation{}, err
		}
		if ended {
			e, err := v.explained(ctx)
			v.note = ""
			v.draw()
			return e, err
		}
		v.draw()
		select {
		case <-ctx.Done():
			return explain.Explanation{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// look asks the API server how the replicas are.
func (v *replicaView) look(ctx context.Context) (foundLogs, error) {
	found, err := v.finder.find(ctx)
	if err != nil {
		return found, err
	}
	o, err := v.finder.object(ctx)
	if o == nil || err != nil {
		return found, err
	}
	pods, err := explain.PodsOf(ctx, v.finder.source, o)
	if err != nil {
		return found, err
	}
	for i := range pods {
		v.replica(v.finder.replica(pods[i].Name)).state = stateOf(&pods[i])
	}
	e, err := v.explained(ctx)
	v.note = ""
	if err == nil && e.Reason != "Running" && e.State != explain.Done {
		v.note = e.Sentence
	}
	return found, err
}

func (v *replicaView) explained(ctx context.Context) (explain.Explanation, error) {
	t := v.finder.target
	return explain.Of(ctx, v.finder.source, t.kind, t.namespace, t.name)
}

func (v *replicaView) replica(name string) *replica {
	if v.replicas[name] == nil {
		v.replicas[name] = &replica{}
	}
	return v.replicas[name]
}

// read takes from the logs what is new in them.
func (v *replicaView) read(m *podlogs.Merger) error {
	for {
		log, line, ok, err := m.Next()
		if !ok || err != nil {
			return err
		}
		v.replica(v.finder.replica(log.Pod.Name)).read(line.Text)
	}
}

// stateOf is a pod's state in a word.
func stateOf(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "ending"
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return w.Reason
		}
	}
	return strings.ToLower(string(pod.Status.Phase))
}

// draw brings what is on the screen up to date.
func (v *replicaView) draw() {
	if !v.terminal {
		v.drawLines()
		return
	}
	table := v.table()
	if v.note != "" {
		table += cut(v.note, width(v.out)) + "\n"
	}
	if table == v.last {
		return
	}
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.drawn)
	}
	fmt.Fprint(v.out, table)
	v.last, v.drawn = table, strings.Count(table, "\n")
}

// width is that of a terminal: a line that is broken in two cannot be drawn over.
func width(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			return columns
		}
	}
	return 80
}

func cut(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	return string(runes[:max(0, width-1)]) + "…"
}

// drawLines writes a line for each replica of which something is new.
func (v *replicaView) drawLines() {
	if v.note != "" && v.note != v.last {
		fmt.Fprintln(v.out, v.note)
		v.last = v.note
	}
	for _, name := range slices.Sorted(maps.Keys(v.replicas)) {
		r := v.replicas[name]
		words := []string{name}
		for i, value := range append([]string{r.state}, r.columns()...) {
			if value != "" {
				words = append(words, strings.TrimSpace(columnNames()[i]+" "+value))
			}
		}
		if line := strings.Join(words, "  "); line != r.written {
			fmt.Fprintln(v.out, line)
			r.written = line
		}
	}
}

// columnNames name the columns where they stand beside their values.
func columnNames() []string {
	return []string{"", "epoch", "loss", "accuracy", "val loss", "val accuracy"}
}

// table has a row for each replica and the columns that any of them has a value
// for.
func (v *replicaView) table() string {
	if len(v.replicas) == 0 {
		return ""
	}
	header := []string{"REPLICA", "STATE"}
	for _, label := range columnNames()[1:] {
		header = append(header, strings.ToUpper(label))
	}
	rows := [][]string{header}
	for _, name := range slices.Sorted(maps.Keys(v.replicas)) {
		r := v.replicas[name]
		rows = append(rows, append([]string{name, r.state}, r.columns()...))
	}
	used := func(column int) bool {
		return slices.ContainsFunc(rows[1:], func(row []string) bool { return row[column] != "" })
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		var shown []string
		for i, cell := range row {
			if used(i) {
				shown = append(shown, cell)
			}
		}
		fmt.Fprintln(w, strings.Join(shown, "\t"))
	}
	_ = w.Flush() // to a buffer
	var table strings.Builder
	for line := range strings.Lines(b.String()) {
		table.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return table.String()
}
