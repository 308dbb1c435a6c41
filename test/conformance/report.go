package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/onsi/ginkgo/v2/types"
)

// A result is what became of one spec.
type result struct {
	name    string
	passed  bool
	took    time.Duration
	message string // why it failed, the first line
}

// readReport reads the results of the specs that ran from ginkgo's report.
func readReport(file string) ([]result, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var reports []types.Report
	if err := json.Unmarshal(content, &reports); err != nil {
		return nil, fmt.Errorf("read report %s: %w", file, err)
	}
	var all []result
	for _, report := range reports {
		for _, spec := range report.SpecReports {
			if spec.LeafNodeType != types.NodeTypeIt || spec.State.Is(types.SpecStateSkipped|types.SpecStatePending) {
				continue
			}
			message, _, _ := strings.Cut(strings.TrimSpace(spec.Failure.Message), "\n")
			all = append(all, result{
				name: spec.FullText(), passed: spec.State.Is(types.SpecStatePassed),
				took: spec.RunTime, message: message[:min(len(message), 300)],
			})
		}
	}
	return all, nil
}

// readKnown reads the specs that are known to fail, each with the comment above
// it as the reason. One without a reason is an error.
func readKnown(file string) (map[string]string, error) {
	known := map[string]string{}
	if file == "" {
		return known, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read known failures: %w", err)
	}
	var reason []string
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "#")
		switch {
		case line == "":
			reason = nil
		case isComment:
			reason = append(reason, strings.TrimSpace(comment))
		case len(reason) == 0:
			return nil, errors.New("read known failures: no reason is given for " + line)
		default:
			known[line] = strings.Join(reason, " ")
		}
	}
	return known, nil
}

// A table is what became of all specs, by area.
type table struct {
	areas   []area
	unknown []result // failed, and not known to
	known   []result // failed, as known
	healed  []string // known to fail, and passed
	reasons map[string]string
}

type area struct {
	name           string
	passed, failed int
	took           time.Duration // of its specs one after another
}

var areaName = regexp.MustCompile(`\[(sig-[a-z-]+)\]`)

func tabulate(results []result, known map[string]string) table {
	t := table{reasons: known}
	byName := map[string]*area{}
	for _, r := range results {
		name := "other"
		if m := areaName.FindStringSubmatch(r.name); m != nil {
			name = m[1]
		}
		a := byName[name]
		if a == nil {
			a = &area{name: name}
			byName[name] = a
		}
		a.took += r.took
		_, expected := known[r.name]
		switch {
		case r.passed && expected:
			t.healed = append(t.healed, r.name)
			a.passed++
		case r.passed:
			a.passed++
		case expected:
			t.known = append(t.known, r)
			a.failed++
		default:
			t.unknown = append(t.unknown, r)
			a.failed++
		}
	}
	for _, a := range byName {
		t.areas = append(t.areas, *a)
	}
	slices.SortFunc(t.areas, func(a, b area) int { return strings.Compare(a.name, b.name) })
	for _, list := range [][]result{t.unknown, t.known} {
		slices.SortFunc(list, func(a, b result) int { return strings.Compare(a.name, b.name) })
	}
	slices.Sort(t.healed)
	return t
}

// text is the table for people.
func (t table) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AREA\tPASSED\tFAILED\tTIME OF ALL SPECS")
	var all area
	for _, a := range t.areas {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", a.name, a.passed, a.failed, a.took.Round(time.Second))
		all.passed, all.failed, all.took = all.passed+a.passed, all.failed+a.failed, all.took+a.took
	}
	fmt.Fprintf(w, "all\t%d\t%d\t%s\n", all.passed, all.failed, all.took.Round(time.Second))
	_ = w.Flush()
	for _, r := range t.unknown {
		fmt.Fprintf(&b, "\nFAILED after %s: %s\n  %s\n", r.took.Round(time.Second), r.name, r.message)
	}
	for _, r := range t.known {
		fmt.Fprintf(&b, "\nfailed, as known: %s\n  %s\n", r.name, t.reasons[r.name])
	}
	for _, name := range t.healed {
		fmt.Fprintf(&b, "\npassed, though known to fail; take it off the list: %s\n", name)
	}
	return b.String()
}
