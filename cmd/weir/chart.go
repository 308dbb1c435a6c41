package main

import (
	"math"
	"strconv"
	"strings"

	"github.com/weir-ml/weir/kit/measure"
	"github.com/weir-ml/weir/platform/training/progress"
)

// A chart draws courses in the dots of Braille's letters, two across and four
// down in each:
//
//	loss
//	0.72 ┤⠑⢄
//	     │  ⠑⠢⣀
//	0.13 ┤     ⠉⠒⠤⣀⣀
//	     └────────────
//	      0    step  600
type chart struct {
	series []progress.Series
	width  int // of the dots, in letters
	height int
}

// A letter is what is drawn in one: which dots, and whose.
type letter struct {
	dots rune
	of   int // the series that was drawn last
}

// lines draws it. Each line is as wide as the others. Each series has its color.
func (c *chart) lines(colored bool) []string {
	x, axis := xOf(c.series)
	low, high, left, right := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, s := range c.series {
		for i, p := range s.Points {
			if measure.IsNumber(p.Value) {
				low, high = min(low, p.Value), max(high, p.Value)
				left, right = min(left, x(i, p)), max(right, x(i, p))
			}
		}
	}
	if low > high {
		low, high, left, right = 0, 1, 0, 1 // Nothing can be drawn.
	}
	letters := make([][]letter, c.height)
	for i := range letters {
		letters[i] = make([]letter, c.width)
	}
	for n, s := range c.series {
		c.draw(letters, n, s, func(i int, p measure.Point) (float64, float64) {
			return share(x(i, p), left, right), share(p.Value, low, high)
		})
	}

	top, bottom := short(high), short(low)
	margin := max(len(top), len(bottom))
	var out []string
	out = append(out, c.legend(margin+2+c.width, colored))
	for i, row := range letters {
		label, tick := "", "│"
		switch i {
		case 0:
			label, tick = top, "┤"
		case c.height - 1:
			label, tick = bottom, "┤"
		}
		out = append(out, strings.Repeat(" ", margin-len(label))+label+" "+tick+rendered(row, colored))
	}
	from, to := short(left), axis+" "+short(right)
	gap := max(1, c.width-len(from)-len(to))
	below := strings.Repeat(" ", margin+2) + from + strings.Repeat(" ", gap) + to
	return append(out, padded(below, margin+2+c.width))
}

// legend names the series, each in its color.
func (c *chart) legend(width int, colored bool) string {
	var words []string
	length := 0
	for i, s := range c.series {
		name := strings.ReplaceAll(s.Name, "_", " ")
		length += len([]rune(name)) + 2
		if colored {
			name = inColor(i, name)
		}
		words = append(words, name)
	}
	return strings.Join(words, "  ") + strings.Repeat(" ", max(0, width-length+2))
}

// draw draws one series as a line.
func (c *chart) draw(letters [][]letter, n int, s progress.Series, place func(int, measure.Point) (x, y float64)) {
	wide, high := c.width*2-1, c.height*4-1
	var last *[2]int
	for i, p := range s.Points {
		if !measure.IsNumber(p.Value) {
			last = nil // A gap says that there was no number.
			continue
		}
		across, up := place(i, p)
		now := [2]int{int(math.Round(across * float64(wide))), high - int(math.Round(up*float64(high)))}
		from := now
		if last != nil {
			from = *last
		}
		steps := max(abs(now[0]-from[0]), abs(now[1]-from[1]), 1)
		for k := range steps + 1 {
			set(letters, n, from[0]+(now[0]-from[0])*k/steps, from[1]+(now[1]-from[1])*k/steps)
		}
		last = &now
	}
}

// set sets a dot, counted from the top left.
func set(letters [][]letter, n, x, y int) {
	dots := [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}
	l := &letters[y/4][x/2]
	l.dots |= dots[y%4][x%2]
	l.of = n
}

func rendered(row []letter, colored bool) string {
	var b strings.Builder
	for _, l := range row {
		switch text := string(0x2800 + l.dots); {
		case l.dots == 0:
			b.WriteByte(' ')
		case colored:
			b.WriteString(inColor(l.of, text))
		default:
			b.WriteString(text)
		}
	}
	return b.String()
}

// xOf is by what series are drawn: by steps where they have these, by epochs, or
// one after the other.
func xOf(series []progress.Series) (x func(i int, p measure.Point) float64, axis string) {
	steps, epochs := true, true
	for _, s := range series {
		steps = steps && s.Last().Step > 0
		epochs = epochs && s.Last().Epoch > 0
	}
	switch {
	case steps:
		return func(_ int, p measure.Point) float64 { return float64(p.Step) }, "step"
	case epochs:
		return func(_ int, p measure.Point) float64 { return p.Epoch }, "epoch"
	}
	return func(i int, _ measure.Point) float64 { return float64(i + 1) }, "value"
}

// share is where v lies between two others; in the middle if these are the same.
func share(v, from, to float64) float64 {
	if from == to {
		return 0.5
	}
	return (v - from) / (to - from)
}

// short is a number in few letters.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len([]rune(s))))
}

func abs(n int) int { return max(n, -n) }
