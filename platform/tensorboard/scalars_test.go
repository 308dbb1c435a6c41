package tensorboard

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is sent comes back as curves, and what cannot be read is said.
func TestScalars(t *testing.T) {
	var file []byte
	for step, loss := range []float64{0.5, math.NaN()} {
		file = append(file, event(byte(step), "loss", loss)...)
	}
	for name, c := range map[string]struct {
		sent []byte
		code int
		says string
	}{
		"Events":  {file, 200, `{"series":[{"name":"loss","points":[{"step":0,"time":"1970-01-01T00:01:00Z","value":0.5},{"step":1,"time":"1970-01-01T00:01:00Z","value":"NaN"}]}]}`},
		"Damaged": {append(bytes.Clone(file), bytes.Repeat([]byte("no"), 20)...), 200, `"value":0.5`},
		"Other":   {bytes.Repeat([]byte("x"), 100), 200, `"damage":"`},
		"Nothing": {nil, 200, `{"series":[]}`},
		"Long":    {make([]byte, longestFile+1), 413, "send at most 32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			ScalarsRoute().Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/weir/scalars", bytes.NewReader(c.sent)))
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d, %s; want %d, %s", w.Code, w.Body, c.code, c.says)
			}
		})
	}
}

// event is a record of an event file, with one scalar.
func event(step byte, tag string, value float64) []byte {
	message := func(number byte, data []byte) []byte { return append([]byte{number<<3 | 2, byte(len(data))}, data...) }
	scalar := append(message(1, []byte(tag)), binary.LittleEndian.AppendUint32([]byte{2<<3 | 5}, math.Float32bits(float32(value)))...)
	data := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(60)) // the time
	data = append(data, 2<<3, step)
	data = append(data, message(5, message(1, scalar))...)
	sum := func(b []byte) []byte {
		c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		return binary.LittleEndian.AppendUint32(nil, (c>>15|c<<17)+0xa282ead8)
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	return bytes.Join([][]byte{length, sum(length), data, sum(data)}, nil)
}
