// Package outside connects the network namespace that weir lives in with the
// machine's, which it cannot reach otherwise: without being root there, it may
// not put an interface into it, nor change its routes.
//
// The process in the machine's namespace runs a network stack of its own (gVisor's)
// on the far end of a veth pair, and dials for whoever sends packets there.
//
//	inner process's namespace             no one's        outer process, the machine's namespace
//	pods ── router ── outside0 ═══════ outside1 ── socket ── stack ── dials, asks the machine's DNS
//	                                                control ── listens, hands over the listener
//
// The stack gets the packets through a socket that the inner process has opened
// and handed over. That takes no device such as /dev/net/tun, which a user may
// not be allowed to open.
package outside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// The two ends of the wire have link-local addresses that are seen nowhere else.
var (
	near = netip.MustParseAddr("169.254.1.2")
	far  = netip.MustParseAddr("169.254.1.1")
)

const (
	nearMAC = "02:00:a9:fe:01:02"
	farMAC  = "02:00:a9:fe:01:01"
	mtu     = 65520

	// sockets share the packets between them. Each keeps 32 that wait to be read,
	// and drops more: one would lose half of a hundred pods that dial at once.
	sockets = 4
)

// A request is what the inner process wants: exactly one of these. Link comes
// with the sockets.
type request struct {
	Link   bool    `json:"link,omitempty"`
	Listen *listen `json:"listen,omitempty"`
}

type listen struct {
	Network string `json:"network"`
	Address string `json:"address"`
}

// A reply to Listen comes with the socket, unless there was an error.
type reply struct {
	Error string `json:"error,omitempty"`
}

// Pair returns the two ends of the connection between the outer process, which
// gives one to Serve, and the inner one, which gives the other to Connect.
func Pair() (outer, inner *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "outside"), os.NewFile(uintptr(fds[1]), "inside"), nil
}

// open takes over a file that Pair made.
func open(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over %s: %w", f.Name(), err)
	}
	_ = f.Close()
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("take over %s: it is a %T, not one end of a Pair", f.Name(), c)
	}
	return u, nil
}

// send sends a message, and files with it.
func send(c *net.UnixConn, message any, files ...*os.File) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		rights = unix.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(b, rights, nil)
	return err
}

// receive reads a message, and the files that came with it. It returns io.EOF
// when the other process has gone.
func receive(c *net.UnixConn, message any) ([]*os.File, error) {
	b, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*sockets))
	n, r, _, _, err := c.ReadMsgUnix(b, rights)
	if n == 0 && (err == nil || errors.Is(err, unix.ECONNRESET)) {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	files, err := filesFrom(rights[:r])
	if err != nil {
		return nil, err
	}
	return files, json.Unmarshal(b[:n], message)
}

func filesFrom(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), "handed-over"))
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
