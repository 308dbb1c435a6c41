package secureshell

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// A Server starts commands for those who have a key.
type Server struct {
	Keys string      // the file of the public keys that may come in
	Log  *log.Logger // of who came, and what went wrong
}

// Serve answers on a listener until ctx ends.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	keys, err := authorized(s.Keys)
	if err != nil {
		return err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a host key: %w", err)
	}
	host, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return fmt.Errorf("make a host key: %w", err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !keys[string(key.Marshal())] {
			return nil, fmt.Errorf("the key %s is not in %s", ssh.FingerprintSHA256(key), s.Keys)
		}
		return nil, nil
	}}
	config.AddHostKey(host)

	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept a connection: %w", err)
		}
		go s.welcome(c, config)
	}
}

// welcome serves one connection to its end.
func (s Server) welcome(c net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return // Somebody looked whether we listen.
	}
	if err != nil {
		s.Log.Printf("connection from %s refused: %v", c.RemoteAddr(), err)
		return
	}
	defer conn.Close()
	s.Log.Printf("connection from %s", c.RemoteAddr())
	go ssh.DiscardRequests(requests)
	for n := range channels {
		if n.ChannelType() != "session" {
			_ = n.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		channel, requests, err := n.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

// session starts the one command that a session is for.
func (s Server) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	started := false
	for r := range requests {
		var command struct{ Line string }
		known := r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil || r.Type == "shell"
		if r.WantReply {
			_ = r.Reply(known && !started, nil)
		}
		if known && !started {
			started = true
			go s.run(channel, command.Line)
		}
	}
}

// run starts a command, or a shell, and sends back what it prints and how it
// ends. It has the server's own surroundings. A command that goes on in the
// background is left to do so; one whose caller has gone sees its input end.
func (s Server) run(channel ssh.Channel, line string) {
	defer channel.Close()
	cmd := exec.Command("/bin/sh") //nolint:noctx // It ends by itself, also after its caller has gone.
	if line != "" {
		cmd.Args = append(cmd.Args, "-c", line)
	}
	if home, err := os.UserHomeDir(); err == nil {
		cmd.Dir = home
	}
	code, err := attach(cmd, channel)
	if err != nil {
		s.Log.Printf("run %q: %v", line, err)
		fmt.Fprintf(channel.Stderr(), "sshd: %v\n", err)
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
}

// attach runs a command on a channel. It returns when the command has ended and
// all it printed is sent.
func attach(cmd *exec.Cmd, channel ssh.Channel) (int, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return 127, err
	}
	var outputs sync.WaitGroup
	for _, o := range []struct {
		to   io.Writer
		pipe func() (io.ReadCloser, error)
	}{{channel, cmd.StdoutPipe}, {channel.Stderr(), cmd.StderrPipe}} {
		out, err := o.pipe()
		if err != nil {
			return 127, err
		}
		outputs.Go(func() { _, _ = io.Copy(o.to, out) }) // Ends with the command's end of the pipe.
	}
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	go func() {
		_, _ = io.Copy(in, channel)
		_ = in.Close()
	}()
	outputs.Wait()
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		if exit.ExitCode() < 0 {
			return 255, nil // It was killed.
		}
		return exit.ExitCode(), nil
	} else if err != nil {
		return 127, err
	}
	return 0, nil
}
