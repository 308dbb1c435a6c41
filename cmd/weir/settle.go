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

// How much garbage there may be, in hundredths of what is in use. Most of that is
// caches that stay. To go through them often costs little while little happens,
// and saves memory; while much happens it would take a fifth of the time.
var (
	// spare is how a whole weir does it, on somebody's laptop.
	spare = collections{idle: 30, busy: 100}
	// swift is how the controllers alone do, whose caches are few.
	swift = collections{idle: 100, busy: 400}
)

const (
	// A start ends soon, and what it leaves behind is given back by settle.
	garbageAtStart = 200
	// often is how soon one collection follows another while much happens.
	often = 8 * time.Second
)

// collections are paced by how soon they follow one another.
type collections struct {
	idle, busy int
	last       time.Time
	percent    int
}

// pace is called after each collection, which finds an object that nobody has.
func (c collections) pace() {
	now, percent := time.Now(), c.idle
	if now.Sub(c.last) < often {
		percent = c.busy
	}
	if percent != c.percent {
		debug.SetGCPercent(percent)
	}
	c.last, c.percent = now, percent
	// With a pointer in it, it does not share its place with others.
	runtime.AddCleanup(&struct{ _ *byte }{}, collections.pace, c)
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
// Where something was written it is nowhere else, also where no more may be: a
// linker fills in addresses first, and then lets them be read only.
func releaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("read what memory holds: %w", err)
	}
	defer maps.Close()
	area := "" // of the program, as it is in its file so far as is read
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		nothing := strings.TrimSpace(rest) == "0 kB"
		switch {
		// 00400000-02c5d000 r-xp 00000000 fe:00 132 /usr/bin/weir
		case !strings.HasSuffix(what, ":"):
			if area = ""; strings.HasSuffix(rest, " "+program) {
				area = lines.Text()
			}
		case what == "Anonymous:" && !nothing:
			area = ""
		case what == "Swap:" && nothing && area != "":
			if err := release(area); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// release takes an area out of this process, unless it may be written to.
func release(area string) error {
	var from, to uintptr
	var rights string
	if _, err := fmt.Sscanf(area, "%x-%x %s", &from, &to, &rights); err != nil {
		return fmt.Errorf("read %q of what memory holds: %w", area, err)
	}
	if strings.Contains(rights, "w") {
		return nil
	}
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("release %s: %w", area, errno)
	}
	return nil
}
