package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/training/job"
)

// A life is how a process reaches the API server that is killed in the midst of
// its work: after so many writes none of its requests gets through.
type life struct {
	writes atomic.Int64
	ctx    context.Context
	end    context.CancelFunc
}

var errKilled = errors.New("killed")

// newLife begins a life of so many writes; it ends when stop is closed at the
// latest.
func newLife(config *rest.Config, writes int64, stop <-chan struct{}) (*rest.Config, *life) {
	l := &life{}
	l.writes.Store(writes)
	l.ctx, l.end = context.WithCancel(context.Background())
	go func() {
		defer l.end()
		select {
		case <-stop:
		case <-l.ctx.Done():
		}
	}()
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return mortal{l, next} })
	return config, l
}

// A mortal transport carries requests while its life lasts.
type mortal struct {
	life *life
	next http.RoundTripper
}

// RoundTrip counts writes, and ends the life after the last. Events do not count:
// new controllers repeat some, and would come to nothing else.
func (m mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") && m.life.writes.Add(-1) < 0 {
		m.life.end()
	}
	if m.life.ctx.Err() != nil {
		return nil, errKilled
	}
	return m.next.RoundTrip(r)
}

// newMortalLab is a lab whose controllers are killed in the midst of their work,
// again and again, after some writes each time and no more than most. What they leave half done, the
// next ones go on with. Events are not looked at: who is killed before it tells
// of what it did never does.
func newMortalLab(t *testing.T, namespace string, seed uint64, most int64) *lab {
	l := newBareLab(t, namespace)
	l.deaf = true
	stop, ended, lives := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(ended)
		for random := rand.New(rand.NewPCG(seed, seed)); ; lives++ {
			select {
			case <-stop:
				return
			default:
			}
			config, life := newLife(clustertest.REST(t), 1+random.Int64N(most), stop)
			if mgr, err := l.manager(config, killable, job.Options{}); err == nil {
				_ = mgr.Start(life.ctx) // It says that it was killed.
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
		t.Logf("the controllers had %d lives", lives)
	})
	return l
}

// killable managers do not wait for what they have under way.
var killable = ctrl.Options{GracefulShutdownTimeout: new(time.Duration(0))}

// What controllers that are killed leave half done, the next ones bring to its
// end: each rule holds as if they had lived on.
func TestRulesHoldAcrossRestarts(t *testing.T) {
	const seed = 20
	perKind := int64(4) // since all are tried at once
	tryRules(t, newMortalLab(t, "mortal", seed, perKind*int64(len(kinds))), kinds...)
}

// Jobs that are let in one by one are so too if who lets them in is killed
// between one gate and the next.
func TestOneByOneAcrossRestarts(t *testing.T) {
	const seed = 21
	goOneByOne(t, newMortalLab(t, "mortal-gang", seed, 6), 5)
}

// Two copies of the controllers run, and one leads. When it is killed the other
// takes over, and nothing is made twice.
func TestTwoControllers(t *testing.T) {
	const jobs = 30
	l := newBareLab(t, "two")
	made := l.watchPods(t)
	lease := ctrl.Options{
		LeaderElection: true, LeaderElectionID: "two", LeaderElectionNamespace: l.Namespace, GracefulShutdownTimeout: killable.GracefulShutdownTimeout,
		LeaseDuration: new(3 * time.Second), RenewDeadline: new(2 * time.Second), RetryPeriod: new(200 * time.Millisecond),
	}
	stop := make(chan struct{})
	ended := make(chan *life, 2)
	for _, writes := range []int64{150, 1 << 40} { // The first dies with about a third of the pods made.
		config, life := newLife(clustertest.REST(t), writes, stop)
		mgr, err := l.manager(config, lease, job.Options{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = mgr.Start(life.ctx)
			ended <- life
		}()
		if writes == 150 {
			<-mgr.Elected()
		}
	}
	for i := range jobs {
		l.Create(jobOf(fmt.Sprintf("job-%d", i), replicas("Worker", 3)))
	}
	<-ended // The first is dead.
	for i := range jobs {
		name := fmt.Sprintf("job-%d", i)
		l.untilPods(name, 3)
		for n := range 3 {
			l.end(fmt.Sprintf("%s-worker-%d", name, n), 0)
		}
	}
	for i := range jobs {
		l.untilState(fmt.Sprintf("job-%d", i), training.JobSucceeded, corev1.ConditionTrue)
	}
	close(stop)
	<-ended
	for name, uids := range made() {
		if len(uids) != 1 {
			t.Errorf("pod %s was made %d times", name, len(uids))
		}
	}
}

// watchPods notes which pods come to be, by name.
func (l *lab) watchPods(t *testing.T) (made func() map[string]map[types.UID]bool) {
	c, err := client.NewWithWatch(clustertest.REST(t), client.Options{Scheme: l.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(l.Namespace))
	if err != nil {
		t.Fatal(err)
	}
	all, done := map[string]map[types.UID]bool{}, make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if all[pod.Name] == nil {
				all[pod.Name] = map[types.UID]bool{}
			}
			all[pod.Name][pod.UID] = true
		}
	}()
	return func() map[string]map[types.UID]bool {
		w.Stop()
		<-done
		return all
	}
}
