package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A progress is how far a training has come, as its log says in the words of
// Keras:
//
//	Epoch 3/6
//	45/45 - 1s - loss: 0.4101 - accuracy: 0.8812 - val_loss: 0.5034 - val_accuracy: 0.8702
type progress struct {
	epoch, epochs                        int
	loss, accuracy, valLoss, valAccuracy *float64
}

// read takes from a line what it says.
func (p *progress) read(line string) {
	for _, m := range epochPattern().FindAllStringSubmatch(line, -1) {
		p.epoch, _ = strconv.Atoi(m[1])
		p.epochs, _ = strconv.Atoi(m[2])
	}
	// A progress bar writes over itself, so the last value of each is the one.
	for _, m := range metricPattern().FindAllStringSubmatch(line, -1) {
		value, err := strconv.ParseFloat(m[2], 64)
		if at := p.metric(m[1]); at != nil && err == nil {
			*at = &value
		}
	}
}

// metric is where the metric of a name belongs; nil for one that is not shown.
func (p *progress) metric(name string) **float64 {
	of, validated := strings.CutPrefix(name, "val_")
	switch isAccuracy := of == "acc" || strings.HasSuffix(of, "accuracy"); {
	case of == "loss" && validated:
		return &p.valLoss
	case of == "loss":
		return &p.loss
	case isAccuracy && validated:
		return &p.valAccuracy
	case isAccuracy:
		return &p.accuracy
	}
	return nil
}

// columns are the values as a table shows them; "" for what is not known.
func (p *progress) columns() []string {
	epoch := ""
	if p.epochs > 0 {
		epoch = fmt.Sprintf("%d/%d", p.epoch, p.epochs)
	}
	columns := []string{epoch}
	for _, v := range []*float64{p.loss, p.accuracy, p.valLoss, p.valAccuracy} {
		if v == nil {
			columns = append(columns, "")
			continue
		}
		columns = append(columns, strconv.FormatFloat(*v, 'f', 4, 64))
	}
	return columns
}

func epochPattern() *regexp.Regexp { return regexp.MustCompile(`\bEpoch (\d+)/(\d+)`) }

func metricPattern() *regexp.Regexp {
	return regexp.MustCompile(`\b([a-z_]+)[:=] ?(\d+(?:\.\d+)?(?:e[-+]?\d+)?)`)
}
