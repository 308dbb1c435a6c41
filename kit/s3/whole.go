package s3

import (
	"errors"
	"io"

	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
)

// A whole is a body that must be as long as was announced. fasthttp ends one like
// any other when the connection is cut, and versitygw, which has made a file of
// that length, would keep what came with zeros behind it.
type whole struct {
	io.Reader
	left int64
}

// wholly is a body of a length; without either it is as it comes. One that comes in
// chunks knows where it ends, and whether it has.
func wholly(body io.Reader, length *int64) io.Reader {
	if _, chunks := body.(middlewares.ChecksumReader); chunks || body == nil || length == nil {
		return body
	}
	return &whole{body, *length}
}

// Read reads on, and fails where the body ends too early.
func (w *whole) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.left -= int64(n)
	if w.left > 0 && errors.Is(err, io.EOF) {
		err = s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	return n, err
}
