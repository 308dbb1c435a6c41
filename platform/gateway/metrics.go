package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weir_front_door_requests_total", Help: "Requests at the front door, by the owner of the route and the code of the answer.",
	}, []string{"owner", "code"})
	durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "weir_front_door_request_seconds", Help: "How long answers took until they were complete, watches and shells left out.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
	}, []string{"owner"})
)

func init() { metrics.Registry.MustRegister(requests, durations) }

// A counted is an answer whose code is remembered.
type counted struct {
	http.ResponseWriter
	code int
	held context.Context // ends with the request, or with the right to it
}

// WriteHeader remembers the code.
func (c *counted) WriteHeader(code int) {
	if c.code == 0 && code >= 200 || code == http.StatusSwitchingProtocols {
		c.code = code
	}
	c.ResponseWriter.WriteHeader(code)
}

// Unwrap is how what can be done with the answer itself is still found.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// ReadFrom leaves it to the answer itself, by which the kernel sends files.
func (c *counted) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(c.ResponseWriter, r)
}

// Flush is for those who look for it here.
func (c *counted) Flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

// Hijack gives the connection away until the handler returns, or who asked may no
// longer ask: a handler that talks by it need not look out for that itself.
func (c *counted) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, both, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.code = http.StatusSwitchingProtocols
	context.AfterFunc(c.held, func() { _ = conn.Close() })
	return conn, both, nil
}

// count counts what h answers as the owner's.
func count(owner string, h func(*counted, *http.Request)) http.Handler {
	took := durations.WithLabelValues(owner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, c := time.Now(), &counted{ResponseWriter: w, held: r.Context()}
		defer func() { // Also when who asked has gone, which a handler says by a panic.
			if c.code == 0 {
				c.code = http.StatusOK
			}
			requests.WithLabelValues(owner, strconv.Itoa(c.code)).Inc()
			if c.code != http.StatusSwitchingProtocols && !r.URL.Query().Has("watch") {
				took.Observe(time.Since(began).Seconds())
			}
		}()
		h(c, r)
	})
}
