package gateway

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weir-ml/weir/platform/routes"
)

// maxCounted is how many names and addresses are counted. Beyond it those go
// that have rested.
const maxCounted = 20000

// attempts are passwords that were tried.
type attempts struct {
	mu    sync.Mutex
	count map[string]*rate.Limiter
	by    Limits // what they are counted by; they begin anew when it changes
	now   func() time.Time
}

func newAttempts() *attempts { return &attempts{count: map[string]*rate.Limiter{}, now: time.Now} }

// take counts an attempt, and returns how long to wait first if there were too
// many. How a name is written makes no other name of it.
func (a *attempts) take(by Limits, name, address string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by != by {
		a.by = by
		clear(a.count)
	}
	now := a.now()
	var taken []*rate.Reservation
	var wait time.Duration
	for _, key := range []string{"both", "address", "name"} {
		r := a.limiter(key, name, address, now).ReserveN(now, 1)
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now))
	}
	if wait > 0 {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	return wait
}

// forgive forgets the attempts of who has the right password after all.
func (a *attempts) forgive(name, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.count, keyOf("both", name, address))
}

func keyOf(kind, name, address string) string {
	switch kind {
	case "address":
		name = ""
	case "name":
		address = ""
	}
	return kind + "\x00" + strings.ToLower(name) + "\x00" + address
}

func (a *attempts) limiter(kind, name, address string, now time.Time) *rate.Limiter {
	key := keyOf(kind, name, address)
	if l := a.count[key]; l != nil {
		return l
	}
	if len(a.count) >= maxCounted {
		for k, l := range a.count {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(a.count, k)
			}
		}
	}
	burst, every := cmp.Or(a.by.Passwords, 5), cmp.Or(a.by.Every.Duration, 15*time.Second)
	switch kind {
	case "address":
		burst, every = 4*burst, every/3
	case "name":
		burst, every = 12*burst, every/3
	}
	l := rate.NewLimiter(rate.Every(every), burst)
	a.count[key] = l
	return l
}

// tooMany says to come back later.
func tooMany(w http.ResponseWriter, wait time.Duration) {
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	routes.Refuse(w, http.StatusTooManyRequests, fmt.Sprintf("too many passwords were tried; wait %d seconds", seconds))
}
