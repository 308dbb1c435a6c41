package environment

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// TakenBy is how much of the disk a folder takes, and with how many files and folders,
// those with several names once. A folder that is not there takes nothing, nor does what
// goes away meanwhile. The error is why it is more: what could not be looked at, or that
// of stop, which is asked before each file, unless it is nil, and ends the count.
func TakenBy(folder string, stop func() error) (bytes, inodes int64, err error) {
	seen := map[uint64]bool{}
	var missed error
	err = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if stop != nil {
			if err := stop(); err != nil {
				return err
			}
		}
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			missed = err
			return nil //nolint:nilerr // What else there is counts all the same.
		}
		st := info.Sys().(*syscall.Stat_t)
		if st.Nlink > 1 && !info.IsDir() {
			if seen[st.Ino] {
				return nil
			}
			seen[st.Ino] = true
		}
		bytes += st.Blocks * 512
		inodes++
		return nil
	})
	return bytes, inodes, errors.Join(err, missed)
}
