package gateway

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// maxCounted is how many people and addresses are counted. Beyond it those go
// that have rested.
const maxCounted = 20000

// A party is what is counted by itself: a name, an address, or both.
type party struct{ kind, name, address string }

// limiters are how much more each party may do.
type limiters map[party]*rate.Limiter

// of is the limiter of a party, which begins rested.
func (l limiters) of(p party, now time.Time, every rate.Limit, burst int) *rate.Limiter {
	if known := l[p]; known != nil {
		return known
	}
	if len(l) >= maxCounted {
		for other, known := range l {
			if known.TokensAt(now) >= float64(known.Burst()) {
				delete(l, other)
			}
		}
	}
	l[p] = rate.NewLimiter(every, burst)
	return l[p]
}

// later tells a client when to come back, and returns the seconds.
func later(w http.ResponseWriter, wait time.Duration) int {
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	return seconds
}
