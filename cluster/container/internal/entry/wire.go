package entry

import "syscall"

// A codec turns values into bytes, or with reading set, bytes into the same
// values. So one visit says both ways how a value looks on the wire. (The
// encodings of the standard library would need too much initialisation.)
type codec struct {
	data    []byte
	reading bool
	broken  bool // there were too few bytes
}

func (w *codec) number(ns ...*uint64) {
	for _, n := range ns {
		if w.reading {
			*n = 0
			for i, b := range w.take(8) {
				*n |= uint64(b) << (8 * i)
			}
			continue
		}
		for i := range 8 {
			w.data = append(w.data, byte(*n>>(8*i)))
		}
	}
}

func (w *codec) flag(fs ...*bool) {
	for _, f := range fs {
		var n uint64
		if *f {
			n = 1
		}
		w.number(&n)
		*f = n == 1
	}
}

func (w *codec) text(ss ...*string) {
	for _, s := range ss {
		n := uint64(len(*s))
		w.number(&n)
		if w.reading {
			*s = string(w.take(n))
			continue
		}
		w.data = append(w.data, *s...)
	}
}

func (w *codec) texts(ls ...*[]string) {
	for _, l := range ls {
		list(w, l, func(s *string) { w.text(s) })
	}
}

func list[T any](w *codec, l *[]T, visit func(*T)) {
	n := uint64(len(*l))
	w.number(&n)
	if w.reading {
		*l = nil
		for ; n > 0 && !w.broken; n-- {
			var t T
			visit(&t)
			*l = append(*l, t)
		}
		return
	}
	for i := range *l {
		visit(&(*l)[i])
	}
}

func (w *codec) take(n uint64) []byte {
	if uint64(len(w.data)) < n {
		w.broken = true
		return nil
	}
	b := w.data[:n]
	w.data = w.data[n:]
	return b
}

// Encode returns the bytes to send to the copy.
func (c *Config) Encode() []byte {
	var w codec
	c.visit(&w)
	head := codec{}
	n := uint64(len(w.data))
	head.number(&n)
	return append(head.data, w.data...)
}

func receive(fd int) (*Config, error) {
	head, err := read(fd, 8)
	if err != nil {
		return nil, err
	}
	var n uint64
	(&codec{data: head, reading: true}).number(&n)
	body, err := read(fd, int(n))
	if err != nil {
		return nil, err
	}
	c, w := &Config{}, codec{data: body, reading: true}
	c.visit(&w)
	if w.broken {
		return nil, syscall.EBADMSG
	}
	return c, nil
}

func read(fd, n int) ([]byte, error) {
	b := make([]byte, n)
	for have := 0; have < n; {
		m, err := syscall.Read(fd, b[have:])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, err
		case m == 0:
			return nil, syscall.EPIPE
		}
		have += max(m, 0)
	}
	return b, nil
}

func write(fd int, b []byte) {
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err != nil && err != syscall.EINTR {
			return
		}
		b = b[max(n, 0):]
	}
}

// An Answer is what the copy has said so far.
type Answer struct {
	Ready    bool     // it is about to become the command
	Terminal bool     // the descriptor of its terminal came along
	Failure  *Failure // it could not
}

// Decode reads the copy's answer.
func Decode(said []byte) Answer {
	var a Answer
	for i, b := range said {
		switch b {
		case sayReady:
			a.Ready = true
		case sayTerminal:
			a.Terminal = true
		case sayFailure:
			a.Failure = &Failure{}
			a.Failure.visit(&codec{data: said[i+1:], reading: true})
			return a
		}
	}
	return a
}
