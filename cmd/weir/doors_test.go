package main

import (
	"fmt"
	"net"
	"os"
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
		"NoAddress":  {upOptions{listen: "localhost"}, `--listen "localhost" is no IP address, with a port or without; 0.0.0.0 means all of this machine's`},
		"NoPort":     {upOptions{listen: "0.0.0.0:https"}, `--listen "0.0.0.0:https": "https" is no port: say a number from 1 to 65535`},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.o.settle(t.TempDir(), true)
			if err == nil {
				err = c.o.check()
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A flag says where weir listens, or else weir.yaml.
func TestWhereItListens(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(settingsFile(dir), []byte("frontDoor: {listen: \"0.0.0.0:8443\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for said, want := range map[bool]upOptions{true: {listen: "127.0.0.1"}, false: {listen: "0.0.0.0", port: 8443}} {
		o := upOptions{listen: "127.0.0.1"}
		if err := o.settle(dir, said); err != nil || o.listen != want.listen || o.port != want.port {
			t.Errorf("with a flag %v: %s port %d, %v; want %s port %d", said, o.listen, o.port, err, want.listen, want.port)
		}
	}
}
