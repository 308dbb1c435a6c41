package secureshell

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

// start serves until the test ends, and returns the port, and the folder of the
// key that it knows.
func start(t *testing.T) (port, keys string) {
	t.Helper()
	keys = newKey(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Server{Keys: filepath.Join(keys, publicFile), Log: log.New(t.Output(), "sshd: ", 0)}.Serve(ctx, l)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, keys
}

func newKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		privateFile: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
		publicFile:  append([]byte("# of the job\n"), ssh.MarshalAuthorizedKey(public)...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCommands(t *testing.T) {
	port, keys := start(t)
	t.Setenv("OF_THE_SERVER", "its own")
	other := newKey(t)
	cases := map[string]struct {
		args                []string
		stdin, stdout, said string
		code                int
	}{
		"Output":    {args: []string{"127.0.0.1", "echo", "out;", "echo err >&2"}, stdout: "out\n", said: "err\n"},
		"Code":      {args: []string{"127.0.0.1", "exit 7"}, code: 7},
		"Killed":    {args: []string{"127.0.0.1", "kill -9 $$"}, code: 255},
		"Input":     {args: []string{"127.0.0.1", "cat"}, stdin: "in", stdout: "in"},
		"NoInput":   {args: []string{"-n", "127.0.0.1", "cat"}, stdin: "in"},
		"Shell":     {args: []string{"127.0.0.1"}, stdin: "echo of a shell", stdout: "of a shell\n"},
		"Variables": {args: []string{"127.0.0.1", "echo $OF_THE_SERVER"}, stdout: "its own\n"},
		"OfMPI":     {args: []string{"-x", "-o", "ConnectionAttempts=10", "root@127.0.0.1", "  echo", `"a b"`}, stdout: "a b\n"},
		// What goes on by itself, as the daemons of an MPI do, is not waited for.
		"Background": {args: []string{"127.0.0.1", "sleep 300 >/dev/null 2>&1 </dev/null & echo begun"}, stdout: "begun\n"},
		"OtherKey":   {args: []string{"-i", filepath.Join(other, privateFile), "127.0.0.1", "true"}, code: 255, said: "ssh: root@127.0.0.1: ssh: handshake failed: ssh: unable to authenticate"},
		"NoHost":     {args: []string{"-x"}, code: 255, said: "ssh: name a host\n"},
		"NoValue":    {args: []string{"-o"}, code: 255, said: "ssh: option -o needs a value\n"},
		"NoNumber":   {args: []string{"-oConnectionAttempts=many", "x"}, code: 255, said: `ssh: option ConnectionAttempts is "many": give a number, 1 or more`},
	}
	t.Setenv("USER", "root")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out, said bytes.Buffer
			args := append([]string{"-p", port}, tc.args...)
			if name != "OtherKey" {
				args = append([]string{"-i", filepath.Join(keys, privateFile)}, args...)
			}
			code := Connect(t.Context(), args, strings.NewReader(tc.stdin), &out, &said)
			if code != tc.code || out.String() != tc.stdout || !strings.HasPrefix(said.String(), tc.said) {
				t.Errorf("code %d, printed %q and %q; want %d, %q and %q", code, out.String(), said.String(), tc.code, tc.stdout, tc.said)
			}
		})
	}
}

// A host that is not there yet is waited for; without patience it is not.
func TestPatience(t *testing.T) {
	keys := newKey(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close() // The port is free, until later.
	c := Call{Host: "127.0.0.1", Port: port, User: "root", Command: "exit 3", Key: filepath.Join(keys, privateFile)}
	if _, err := c.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "connect to host 127.0.0.1 port "+port) {
		t.Errorf("without patience: %v", err)
	}
	time.AfterFunc(100*time.Millisecond, func() {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Error(err)
			return
		}
		if err := (Server{Keys: filepath.Join(keys, publicFile), Log: log.New(t.Output(), "sshd: ", 0)}).Serve(t.Context(), l); err != nil {
			t.Error(err)
		}
	})
	c.Patience = time.Minute
	if code, err := c.Run(t.Context()); code != 3 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
}

func TestPorts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sshd_config")
	if err := os.WriteFile(file, []byte("# Ours\nPort 2200\nHostKey x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"Plain":  {args: []string{"-De"}, want: []string{"22"}},
		"Flag":   {args: []string{"-De", "-p", "2200"}, want: []string{"2200"}},
		"File":   {args: []string{"-De", "-f", file}, want: []string{"2200"}},
		"NoFile": {args: []string{"-De", "-f", file + "-of-an-image"}, want: []string{"22", "2222"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := portsOf(tc.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// Who only looks whether the server listens, as a probe does, is not worth a word.
func TestLook(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, tc := range map[string]struct {
		says string
		want bool
	}{
		"Probe":    {},
		"Stranger": {says: "SSH-2.0-stranger\r\n" + strings.Repeat("x", 64), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte(tc.says)); err != nil {
				t.Fatal(err)
			}
			if !tc.want {
				c.Close()
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			Server{Log: log.New(&said, "", 0)}.welcome(server, config)
			if (said.Len() > 0) != tc.want {
				t.Errorf("it says %q", said.String())
			}
		})
	}
}
