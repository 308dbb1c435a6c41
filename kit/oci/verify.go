package oci

import (
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
)

// A verifier reads what a digest is of, and takes the digest beside the reader, who
// has other things to do.
type verifier struct {
	from io.Reader
	want digest.Digest
	hash hash.Hash

	pieces, spare chan []byte
	done          chan struct{}
}

func newVerifier(from io.Reader, want digest.Digest) *verifier {
	const pieces = 8
	v := &verifier{from: from, want: want, hash: want.Algorithm().Hash(), pieces: make(chan []byte, pieces), spare: make(chan []byte, pieces), done: make(chan struct{})}
	for range pieces {
		v.spare <- make([]byte, 0, 256<<10)
	}
	go func() {
		defer close(v.done)
		for p := range v.pieces {
			v.hash.Write(p)
			v.spare <- p
		}
	}()
	return v
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.from.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		piece := <-v.spare
		taken := min(len(rest), cap(piece))
		v.pieces <- append(piece[:0], rest[:taken]...)
		rest = rest[taken:]
	}
	return n, err
}

// finish reads what the reader has left, if the digest is wanted, and says whether
// it is the right one.
func (v *verifier) finish(wanted bool) error {
	var err error
	if wanted {
		_, err = io.Copy(io.Discard, v)
	}
	close(v.pieces)
	<-v.done
	if err != nil || !wanted {
		return err
	}
	if got := digest.NewDigest(v.want.Algorithm(), v.hash); got != v.want {
		return &BrokenError{v.want, fmt.Sprintf("the layer's content is another: its digest is %s", got)}
	}
	return nil
}
