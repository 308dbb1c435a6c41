package entry

import (
	"syscall"
	"unsafe"
)

// openTerminal makes a terminal in the container's own /dev/pts the standard
// streams of the process, and sends its other end to the program.
func (c *Config) openTerminal() *Failure {
	if !c.Terminal {
		return nil
	}
	master, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fail("open a terminal", err)
	}
	var unlock, number int32
	if err := ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)); err != nil {
		return fail("unlock the terminal", err)
	}
	if err := ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&number)); err != nil {
		return fail("number the terminal", err)
	}
	slave, err := syscall.Open("/dev/pts/"+decimal(int(number)), syscall.O_RDWR, 0)
	if err != nil {
		return fail("open the terminal", err)
	}
	if err := syscall.Fchown(slave, int(c.UID), -1); err != nil && err != syscall.EINVAL {
		return fail("hand over the terminal", err)
	}
	if err := ioctl(slave, syscall.TIOCSCTTY, nil); err != nil {
		return fail("control the terminal", err)
	}
	for fd := range 3 {
		if err := syscall.Dup3(slave, fd, 0); err != nil {
			return fail("use the terminal", err)
		}
	}
	if err := syscall.Sendmsg(Control, []byte{sayTerminal}, syscall.UnixRights(master), nil, 0); err != nil {
		return fail("hand out the terminal", err)
	}
	syscall.Close(slave)
	syscall.Close(master)
	return nil
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return orNil(errno)
}
