package measure

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// What is longer or more than this is no measurement but a mistake.
const (
	maxLine  = 4 << 10
	maxName  = 64
	maxNames = 64
)

// A Scanner reads the lines of one program in their order. Its zero value is
// ready, and begins before the first; to go on where another was, set Progress.
type Scanner struct {
	Progress Progress

	names map[string]bool
}

// Read takes from a line, or a part of one that ends with a carriage return,
// what it says. Parts of a bar that draws over itself may come in one line.
func (s *Scanner) Read(at time.Time, line string) []Sample {
	var all []Sample
	for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == '\r' || r == '\n' }) {
		all = append(all, s.part(at, part)...)
	}
	return all
}

func (s *Scanner) part(at time.Time, text string) []Sample {
	p := patterns()
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	if !strings.ContainsAny(text, "0123456789") && !strings.Contains(strings.ToLower(text), "nan") {
		return nil
	}
	text = p.ansi.ReplaceAllString(strings.ReplaceAll(text, "\b", ""), "")
	lower := strings.ToLower(text)
	mayLocate := func(c compiled) bool { return c.may(lower) }
	if !p.pair.MatchString(text) && !slices.ContainsFunc(p.epochs, mayLocate) && !slices.ContainsFunc(p.steps, mayLocate) {
		return nil // As are most lines.
	}
	for _, c := range p.others {
		if c.may(lower) && c.re.MatchString(text) {
			return nil
		}
	}
	for _, c := range p.masks {
		if c.may(lower) {
			text = c.re.ReplaceAllString(text, " ")
		}
	}

	found := finds(p, text)
	s.locate(at, found)
	var samples []Sample
	for _, v := range found.values {
		if !s.admits(v.name) {
			continue
		}
		point := Point{Epoch: s.Progress.Epoch, Time: at, Value: v.value}
		if s.Progress.Step > 0 || s.Progress.Steps > 0 {
			point.Step = s.Progress.Total()
		}
		samples = append(samples, Sample{v.name, point})
	}
	return samples
}

// admits keeps the number of names within bounds.
func (s *Scanner) admits(name string) bool {
	if s.names == nil {
		s.names = map[string]bool{}
	}
	if !s.names[name] && len(s.names) == maxNames {
		return false
	}
	s.names[name] = true
	return true
}

// locate takes over where the training is.
func (s *Scanner) locate(at time.Time, f finding) {
	p := &s.Progress
	before := *p
	if f.epochs > 0 {
		p.Epochs = int64(f.epochs)
	}
	if f.hasEpoch {
		if f.epoch != p.Epoch && !f.hasStep && p.PerEpoch {
			p.Step = 0
		}
		if f.epoch == 0 {
			p.FromZero = true
		}
		if p.Epochs > 0 && f.epoch > float64(p.Epochs) {
			p.Epochs = 0 // They were somebody else's.
		}
		p.Epoch, p.EpochDone = f.epoch, len(f.values) > 0
	}
	if f.hasStep {
		p.Step, p.PerEpoch = int64(f.step), f.perEpoch
		if f.steps > 0 || !f.perEpoch && p.Steps < p.Step {
			p.Steps = int64(f.steps)
		}
	}
	// Values without a step, where there are no steps, are those of an epoch.
	sums := !f.hasEpoch && !f.hasStep && len(f.values) > 0 && p.Epoch > 0 && p.Step == 0 && p.Steps == 0
	p.EpochDone = p.EpochDone || sums
	if f.hasEpoch || f.hasStep || sums {
		p.move(at, &before)
	}
}

// A finding is what a line says.
type finding struct {
	hasEpoch, hasStep, perEpoch bool
	epoch, epochs, step, steps  float64
	values                      []named
	strong                      bool // it is a line of measurements
}

type named struct {
	name  string
	value float64
}

func finds(p *compiledPatterns, text string) finding {
	var f finding
	lower := strings.ToLower(text)
	f.match(p.epochs, text, lower)
	f.match(p.steps, text, lower)
	pairs := p.pairs(text)
	rest := text
	f.strong = f.hasEpoch || f.hasStep
	for _, pair := range pairs {
		f.strong = f.strong || isMeasured(pair.name)
		rest = strings.Replace(rest, pair.text, "", 1)
	}
	onlyPairs := !strings.ContainsFunc(rest, unicode.IsLetter)
	for _, pair := range pairs {
		if pair.counts(f.strong, onlyPairs) {
			f.values = append(f.values, named{pair.name, pair.value})
		}
	}
	return f
}

// match takes over what the first rule that matches says.
func (f *finding) match(rules []compiled, text, lower string) {
	for _, r := range rules {
		if !r.may(lower) {
			continue
		}
		m := r.re.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		for i, group := range r.re.SubexpNames() {
			v, err := strconv.ParseFloat(m[i], 64)
			if group == "" || err != nil || v > 1<<52 {
				continue
			}
			switch group {
			case "epoch":
				f.epoch, f.hasEpoch = v, true
			case "epochs":
				f.epochs = v
			case "step":
				f.step, f.hasStep, f.perEpoch = v, true, r.perEpoch
			case "steps":
				f.steps = v
			default:
				f.values = append(f.values, named{group, v})
			}
		}
		return
	}
}

// A pair is a name and its number.
type pair struct {
	text, name, separator string
	value                 float64
	whole, percent        bool // the number is one without a point; it is followed by %
}

// counts is whether a pair is a measurement: strong is whether the line has
// others, or says where the training is, and onlyPairs whether there is nothing
// else in it.
func (p *pair) counts(strong, onlyPairs bool) bool {
	switch known := isMeasured(p.name); {
	case len(p.name) > maxName:
		return false
	case isSetting(p.name) && !known:
		return false
	case known:
		lower := strings.ToLower(p.name) // As in KeyError: 0.
		return !p.whole || !strings.HasSuffix(lower, "error") && lower != "err" && lower != "map"
	case p.percent:
		return false
	case strong || onlyPairs:
		return true
	}
	return p.separator == "=" && !p.whole
}

// pairs finds the pairs of a line.
func (p *compiledPatterns) pairs(text string) []pair {
	var all []pair
	for at := 0; at < len(text); {
		m := p.pair.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += at
			}
		}
		at = m[1]
		if m[0] > 0 && strings.ContainsRune("_./-", rune(text[m[0]-1])) {
			continue
		}
		begin, name := p.qualified(text, m[2], text[m[2]:m[3]])
		number := text[m[6]:m[7]]
		value, err := strconv.ParseFloat(number, 64)
		rest := text[m[7]:]
		if err != nil || !p.ends(rest, number) {
			continue
		}
		if of := p.ratio.FindStringSubmatch(rest); of != nil {
			all, err := strconv.ParseFloat(of[1], 64)
			if !strings.Contains(strings.ToLower(name), "acc") || err != nil || all == 0 {
				continue
			}
			value /= all
		}
		separator := strings.TrimSpace(text[m[4]:m[5]])
		if separator == "" && !p.unseparated.MatchString(text[m[2]:m[3]]) {
			continue
		}
		all = append(all, pair{
			text: text[begin:m[1]], name: name, separator: separator, value: value,
			whole: !strings.ContainsAny(number, ".eEnN"), percent: strings.HasPrefix(rest, "%"),
		})
	}
	return all
}

// ends is whether a number ends where it seems to, and nothing makes it a time,
// an amount or a part of something longer.
func (p *compiledPatterns) ends(rest, number string) bool {
	if rest == "" || p.ratio.MatchString(rest) {
		return true
	}
	switch c := rest[0]; {
	case c == ',':
		return len(rest) == 1 || rest[1] < '0' || rest[1] > '9'
	case c == '.':
		return len(rest) == 1 || rest[1] == ' '
	case c == '%' || c == '+' || strings.ContainsRune(" \t)]}|;'\"", rune(c)):
		return !p.unit.MatchString(rest) || number == ""
	}
	return false
}

// qualified is a name with the words before it that belong to it, and where
// these begin.
func (p *compiledPatterns) qualified(text string, begin int, name string) (int, string) {
	for range 3 {
		before := strings.TrimRight(text[:begin], " ")
		if len(before) == begin || len(before) == 0 {
			break
		}
		i := strings.LastIndexFunc(before, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_'-", r)
		}) + 1
		word := before[i:]
		if !isQualifier(word) {
			break
		}
		begin, name = i, strings.TrimSuffix(word, "'s")+"_"+name
	}
	return begin, name
}

// compiledPatterns are the tables, ready for use.
type compiledPatterns struct {
	epochs, steps, others, masks         []compiled
	ansi, pair, unseparated, ratio, unit *regexp.Regexp
}

func patterns() *compiledPatterns { return onceCompiled() }

var onceCompiled = sync.OnceValue(func() *compiledPatterns {
	return &compiledPatterns{
		epochs: compile(epochRules()), steps: compile(stepRules()),
		others: compile(others()), masks: compile(masks()),
		ansi:        regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07`),
		pair:        regexp.MustCompile(`\b([A-Za-z][\w.@/-]*)['"]?(\s*(?::|=>?|\bis:?)\s*|\s+)[\[('"]?\s*([-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+|(?i:nan|inf)\b))`),
		unseparated: regexp.MustCompile(`^` + withoutNumber() + `$`),
		ratio:       regexp.MustCompile(`^/(\d+)(?:[\s,;)]|$)`),
		unit:        regexp.MustCompile(`^ ?(?:[mun]?s|sec|secs|seconds|min|mins|minutes|h|hours|[kMGT]i?B|[kKMG]?bytes)\b`),
	}
})

// IsNumber is whether a value can be drawn: it is neither infinite nor none.
func IsNumber(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
