package progress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// APILogs reads logs as any cluster has them.
func APILogs(core kubernetes.Interface) Logs {
	return apiLogs{core, &sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}}
}

type apiLogs struct {
	core    kubernetes.Interface
	readers *sync.Pool // of *bufio.Reader, since most logs are short
}

// maxLine is where a line is broken in two.
const maxLine = 64 << 10

func (l apiLogs) Follow(ctx context.Context, c Container, after time.Time, over <-chan struct{}, take func(time.Time, string)) error {
	o := &corev1.PodLogOptions{Container: c.Name, Follow: !IsOver(over), Timestamps: true}
	if !after.IsZero() {
		o.SinceTime = &metav1.Time{Time: after} // In whole seconds, so some lines come again.
	}
	stream, err := l.core.CoreV1().Pods(c.Namespace).GetLogs(c.Pod, o).Stream(ctx)
	if apierrors.IsNotFound(err) {
		return errGone
	}
	if err != nil {
		return fmt.Errorf("read log of container %s in pod %s/%s: %w", c.Name, c.Namespace, c.Pod, err)
	}
	defer stream.Close()
	r := l.readers.Get().(*bufio.Reader)
	defer l.readers.Put(r)
	r.Reset(stream)
	var at time.Time
	for begun := false; ; {
		data, err := r.ReadSlice('\n')
		text := strings.TrimSuffix(string(data), "\n")
		if !begun {
			word, rest, _ := strings.Cut(text, " ")
			if t, parseErr := time.Parse(time.RFC3339Nano, word); parseErr == nil {
				at, text = t, rest
			}
		}
		if len(data) > 0 && at.After(after) {
			take(at, text)
		}
		begun = errors.Is(err, bufio.ErrBufferFull)
		if errors.Is(err, io.EOF) {
			return l.another(ctx, c, over)
		}
		if err != nil && !begun {
			return fmt.Errorf("read log of container %s in pod %s/%s: %w", c.Name, c.Namespace, c.Pod, err)
		}
	}
}

// tidings is how long after its log the end of a container is heard of.
const tidings = 5 * time.Second

// another says why a log that was followed has ended: nil if the container has.
func (l apiLogs) another(ctx context.Context, c Container, over <-chan struct{}) error {
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(tidings):
	}
	pod, err := l.core.CoreV1().Pods(c.Namespace).Get(ctx, c.Pod, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && pod.UID != c.UID {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read pod %s/%s: %w", c.Namespace, c.Pod, err)
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == c.Name && s.RestartCount == c.Attempt && s.State.Running != nil {
			return fmt.Errorf("the log of container %s in pod %s/%s broke off", c.Name, c.Namespace, c.Pod)
		}
	}
	return nil
}
