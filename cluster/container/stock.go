package container

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// A stock has a few roots mounted before they are wanted, and removes those that
// are not wanted any more, both while nobody waits for it: on many machines the
// file system takes longer over that than all the rest of a container's start.
// A root is never used twice: who has kept a folder of it open would see what
// the next container does.
type stock struct {
	base   *rootfs.Base
	dir    string
	inUser bool
	number atomic.Uint64

	ready   chan *mountedRoot
	stop    chan struct{}
	filling sync.Once
	work    sync.WaitGroup

	mu       sync.Mutex
	problems []error // of removals, for close to tell
}

// ahead is how many roots are mounted before they are wanted.
const ahead = 4

func newStock(base *rootfs.Base, dir string, inUser bool) *stock {
	return &stock{base: base, dir: dir, inUser: inUser, ready: make(chan *mountedRoot, ahead), stop: make(chan struct{})}
}

// take returns a root for a container of the image, which may be nil.
func (s *stock) take(image *rootfs.Image) (*mountedRoot, error) {
	s.filling.Do(func() { s.work.Go(s.fill) })
	r, err := s.next(image)
	if err != nil || image == nil {
		return r, err
	}
	if err := errors.Join(r.Show(image), r.mount(s.inUser)); err != nil {
		return nil, errors.Join(err, r.remove())
	}
	return r, nil
}

// next returns a root from the stock, or makes one where the stock is empty or
// has none that fits.
func (s *stock) next(image *rootfs.Image) (*mountedRoot, error) {
	if image.LaysOver() || image.OwnRoot() {
		return s.make(image)
	}
	select {
	case r := <-s.ready:
		return r, nil
	default:
		return s.make(nil)
	}
}

// fill keeps the stock full. What goes wrong here goes wrong again, and is told,
// when a container wants a root.
func (s *stock) fill() {
	for {
		r, err := s.make(nil)
		if err != nil {
			return
		}
		select {
		case s.ready <- r:
		case <-s.stop:
			s.note(r.remove())
			return
		}
	}
}

func (s *stock) make(image *rootfs.Image) (*mountedRoot, error) {
	dir := filepath.Join(s.dir, strconv.FormatUint(s.number.Add(1), 10))
	root, err := s.base.New(dir, image)
	if err != nil {
		return nil, err
	}
	r := &mountedRoot{Root: root}
	if err := r.mount(s.inUser); err != nil {
		return nil, errors.Join(err, r.remove())
	}
	return r, nil
}

// drop removes a root in its own time.
func (s *stock) drop(r *mountedRoot) {
	r.unmount()
	s.work.Go(func() { s.note(r.Remove()) })
}

func (s *stock) note(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err)
}

// close removes what is in the stock, and waits for all that is being removed.
func (s *stock) close() error {
	close(s.stop)
	s.work.Wait()
	close(s.ready)
	for r := range s.ready {
		s.note(r.remove())
	}
	s.note(os.RemoveAll(s.dir))
	return errors.Join(s.problems...)
}
