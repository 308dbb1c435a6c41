package main

import (
	"fmt"
	"net"
	"testing"
)

// A port that is taken is passed over, and the one of the last run comes first.
func TestPorts(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port

	dir := t.TempDir()
	s := &state{Kubernetes: endpoint{URL: fmt.Sprintf("https://127.0.0.1:%d", port)}, S3: endpoint{URL: "http://127.0.0.1:0"}}
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	d, err := openDoors(dir, upOptions{listen: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.api[0].Close()
	defer d.s3[0].Close()
	defer d.front[0].Close()
	if got := d.api[0].Addr().(*net.TCPAddr).Port; got <= port || got >= port+100 {
		t.Errorf("port %d, want one of the next after %d", got, port)
	}
	if len(d.names) != 0 {
		t.Errorf("names %v for a loopback, want none: it is not open to others", d.names)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		o    upOptions
		want string
	}{
		"NoSuchPart": {upOptions{listen: "127.0.0.1", without: []string{"nodes"}}, "--without nodes: there is no such part; there are controllers, node, s3, metrics, gateway"},
		"NoAddress":  {upOptions{listen: "localhost"}, "--listen localhost: not an IP address; 0.0.0.0 means all of this machine's"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.o.check(); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
