package measure

import "time"

// A Progress is how far a training has come, as it says itself. What it does not
// say is 0.
type Progress struct {
	// Epoch is the one it is in, of Epochs, as the program counts.
	Epoch  float64
	Epochs int64
	// Step is the last one done, of Steps; PerEpoch is whether each epoch
	// begins with the first.
	Step, Steps int64
	PerEpoch    bool
	// FromZero is whether the first epoch is 0, and EpochDone whether the epoch
	// is spoken of as one that is over.
	FromZero, EpochDone bool

	// Begin and At are when its first and its last step were printed, and
	// BeginDone and BeginStep what was done by then.
	Begin, At time.Time
	BeginDone float64
	BeginStep int64
}

// Known is whether anything is.
func (p *Progress) Known() bool { return !p.At.IsZero() }

// Done is the share of the training that is done, from 0 to 1; ok is whether
// that can be told.
func (p *Progress) Done() (share float64, ok bool) {
	within, steps := p.WithinEpoch()
	switch {
	case p.Epochs > 0 && (p.PerEpoch || !steps):
		done := p.Epoch
		if !p.FromZero {
			done--
		}
		if p.EpochDone && !steps {
			within = 1
		}
		return min(1, max(0, (done+within)/float64(p.Epochs))), true
	case steps && !p.PerEpoch:
		return within, true
	}
	return 0, false
}

// WithinEpoch is the share of the steps that is done: those of the epoch, or of
// the whole training where it counts through.
func (p *Progress) WithinEpoch() (share float64, ok bool) {
	if p.Steps <= 0 {
		return 0, false
	}
	return min(1, float64(p.Step)/float64(p.Steps)), true
}

// Total is the step counted from the beginning of the training.
func (p *Progress) Total() int64 {
	before := p.Epoch
	if !p.FromZero {
		before--
	}
	if p.PerEpoch && before > 0 {
		return int64(before)*p.Steps + p.Step
	}
	return p.Step
}

// Rate is how many steps are done a second; ok is false before the second one.
func (p *Progress) Rate() (perSecond float64, ok bool) {
	took := p.At.Sub(p.Begin).Seconds()
	if done := p.Total() - p.BeginStep; done > 0 && took > 0 {
		return float64(done) / took, true
	}
	return 0, false
}

// Left is how long the rest takes if it goes on as it went.
func (p *Progress) Left() (left time.Duration, ok bool) {
	done, known := p.Done()
	gained := done - p.BeginDone
	if !known || gained <= 0 || p.At.Equal(p.Begin) {
		return 0, false
	}
	return time.Duration(float64(p.At.Sub(p.Begin)) * (1 - done) / gained), true
}

// move notes that the training has come to a place at a time.
func (p *Progress) move(at time.Time, before *Progress) {
	done, _ := p.Done()
	was, _ := before.Done()
	if p.Begin.IsZero() || done < was || p.Total() < before.Total() { // It has begun, or begun again.
		p.Begin, p.BeginDone, p.BeginStep = at, done, p.Total()
	}
	p.At = at
}
