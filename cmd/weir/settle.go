package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// spared is what a start may leave uncollected on a heap that it grows to about
// 170 MB.
const spared = 64 << 20

// spareCollections makes collections of garbage rare until it is told to stop. A
// heap that grows from nothing is collected again and again, which took a quarter
// of the start. A block of that size, which is never touched and so takes no
// memory, has the collector wait until there is as much to collect.
func spareCollections() (stop func()) {
	debug.SetGCPercent(75)
	block := make([]byte, spared)
	return func() {
		runtime.KeepAlive(block)
		block = nil
		// Most of the heap is caches that stay: collecting them twice as often as Go
		// does costs little from now on, and saves a tenth of the memory.
		debug.SetGCPercent(50)
	}
}

// settling is how long after the start the API server still builds what documents
// its kinds.
const settling = 10 * time.Second

// settle gives back, once all has started, the memory that only the start took:
// half of what is resident of the program itself is code and tables that make it
// ready, and is not looked at again.
func settle(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(settling):
	}
	debug.FreeOSMemory()
	if err := releaseProgram(); err != nil {
		klog.ErrorS(err, "The memory of the start is kept")
	}
}

// releaseProgram takes the pages of the program out of this process. They are as
// in its file, and those that are needed are there again when they are touched.
func releaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("read what memory holds: %w", err)
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// 00400000-02c5d000 r-xp 00000000 fe:00 132 /usr/bin/weir
		if !strings.HasSuffix(lines.Text(), " "+program) {
			continue
		}
		var from, to uintptr
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil {
			return fmt.Errorf("read %q of what memory holds: %w", lines.Text(), err)
		}
		if strings.Contains(rights, "w") {
			continue // What was written there is nowhere else.
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("release %s: %w", lines.Text(), errno)
		}
	}
	return lines.Err()
}
