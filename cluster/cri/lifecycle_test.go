package cri

import (
	"syscall"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestSignalOf(t *testing.T) {
	cases := map[runtimeapi.Signal]syscall.Signal{
		runtimeapi.Signal_SIGNAL_SIGTERM:         syscall.SIGTERM,
		runtimeapi.Signal_SIGNAL_SIGUSR1:         syscall.SIGUSR1,
		runtimeapi.Signal_SIGNAL_SIGCLD:          syscall.SIGCHLD,
		runtimeapi.Signal_SIGNAL_SIGRTMIN:        34,
		runtimeapi.Signal_SIGNAL_SIGRTMINPLUS3:   37,
		runtimeapi.Signal_SIGNAL_SIGRTMAXMINUS2:  62,
		runtimeapi.Signal_SIGNAL_SIGRTMAX:        64,
		runtimeapi.Signal_SIGNAL_RUNTIME_DEFAULT: syscall.SIGTERM,
	}
	for from, want := range cases {
		if got := signalOf(from); got != want {
			t.Errorf("%v is %d, want %d", from, got, want)
		}
	}
}
