package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A use is what processes take of the machine. The peak is the sum of what each
// of those that are there had at most.
type use struct {
	resident, proportional, peak int64
	cpu                          time.Duration
}

// useOf is what a process and all that descend from it use. Time of processes
// that have ended is their parent's.
func useOf(pid int) (use, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return use{}, err
	}
	parents, times := map[int]int{}, map[int]time.Duration{}
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		// The command's name, in brackets, may hold anything.
		_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')'):]), " ")
		fields := strings.Fields(rest)
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parents[id], _ = strconv.Atoi(fields[1])
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime in hundredths of a second
			ticks, _ := strconv.Atoi(f)
			times[id] += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	if _, ok := parents[pid]; !ok {
		return use{}, fmt.Errorf("process %d has ended", pid)
	}
	var all use
	for id := range parents {
		ancestor := id
		for ancestor > 1 && ancestor != pid {
			ancestor = parents[ancestor]
		}
		if ancestor != pid {
			continue
		}
		all.cpu += times[id]
		all.peak += peakOf(id)
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", id))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(rollup)) {
			var kilobytes int64
			switch fields := strings.Fields(line); fields[0] {
			case "Rss:":
				kilobytes, _ = strconv.ParseInt(fields[1], 10, 64)
				all.resident += kilobytes << 10
			case "Pss:":
				kilobytes, _ = strconv.ParseInt(fields[1], 10, 64)
				all.proportional += kilobytes << 10
			}
		}
	}
	return all, nil
}

// peakOf is the most that a process has had in memory; 0 if it has ended.
func peakOf(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), "\nVmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10
}
