package podlogs

import "errors"

// A Merger gives the lines of many logs in the order of time.
type Merger struct {
	sources []*source
	ended   bool
}

type source struct {
	reader *Reader
	lines  []Line // read and not yet given
	dry    bool   // there was no line in this round
}

// Add makes the lines of one more log part of what Next gives. The Merger
// closes the reader.
func (m *Merger) Add(r *Reader) { m.sources = append(m.sources, &source{reader: r}) }

// End says that nothing will be added to the logs any more. So what was printed
// without a line feed after it is a line too, and Next gives it.
func (m *Merger) End() { m.ended = true }

// Next returns the earliest line that has not been given yet and the log it is
// from. It returns false when every log has been read to its end for now; the
// next call begins another round, with what has been printed since.
func (m *Merger) Next() (*Log, Line, bool, error) {
	var first *source
	for _, s := range m.sources {
		if err := s.fill(m.ended); err != nil {
			return nil, Line{}, false, err
		}
		if len(s.lines) > 0 && (first == nil || s.lines[0].Time.Before(first.lines[0].Time)) {
			first = s
		}
	}
	if first == nil {
		for _, s := range m.sources {
			s.dry = false
		}
		return nil, Line{}, false, nil
	}
	line := first.lines[0]
	first.lines = first.lines[1:]
	return &first.reader.Log, line, true, nil
}

func (s *source) fill(ended bool) error {
	if len(s.lines) > 0 || s.dry {
		return nil
	}
	line, ok, err := s.reader.Next()
	switch {
	case err != nil:
		return err
	case ok:
		s.lines = append(s.lines, line)
	case ended:
		s.lines, s.dry = s.reader.Rest(), true
	default:
		s.dry = true
	}
	return nil
}

// Close closes every reader.
func (m *Merger) Close() error {
	var errs []error
	for _, s := range m.sources {
		errs = append(errs, s.reader.Close())
	}
	return errors.Join(errs...)
}
