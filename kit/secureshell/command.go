package secureshell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// failed is what ssh exits with when the failure is its own.
const failed = 255

// leastPatience is how long the client tries at least: hosts that start together
// are not ready together.
const leastPatience = time.Minute

// Serve is the program sshd: it takes a port (-p), or a file that says one (-f),
// and stays in the foreground whatever else it is told. It returns its exit code.
func Serve(ctx context.Context, args []string, stderr io.Writer) int {
	say := log.New(stderr, "sshd: ", 0)
	if err := serve(ctx, args, say); err != nil {
		say.Print(err)
		return failed
	}
	return 0
}

func serve(ctx context.Context, args []string, say *log.Logger) error {
	ports, err := portsOf(args)
	if err != nil {
		return err
	}
	keys, err := find(publicFile)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(ports))
	for _, port := range ports {
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return err
		}
		go func() { ended <- Server{Keys: keys, Log: say}.Serve(ctx, l) }()
	}
	say.Printf("listening on port %s for the keys in %s", strings.Join(ports, " and "), keys)
	return <-ended
}

// portsOf are the ports that sshd is told. A file that is not there is that of an
// image which an environment stands for. Those of the MPI operator say 2222, where
// its manifests look whether sshd is ready; our own client goes to 22.
func portsOf(args []string) ([]string, error) {
	file, port := "", ""
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "-p":
			port = args[i+1]
		case "-f":
			file = args[i+1]
		}
	}
	if port != "" || file == "" {
		return []string{orElse(port, "22")}, nil
	}
	open, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"22", "2222"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	defer open.Close()
	for lines := bufio.NewScanner(open); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 2 && strings.EqualFold(fields[0], "Port") {
			return []string{fields[1]}, nil
		}
	}
	return []string{"22"}, nil
}

func orElse(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// Connect is the program ssh: options, a host and a command. It returns its exit
// code: the command's, or 255 if there is none.
func Connect(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parse(args)
	if err == nil {
		if c.Stdin != nil {
			c.Stdin = stdin
		}
		c.Stdout, c.Stderr = stdout, stderr
		if c.Key == "" {
			c.Key, err = find(privateFile)
		}
	}
	code := 0
	if err == nil {
		code, err = c.Run(ctx)
	}
	if err != nil {
		fmt.Fprintf(stderr, "ssh: %v\n", err)
		return failed
	}
	return code
}

// withValue are the options of ssh that take a word.
const withValue = "BbcDEeFIiJLlmOopQRSWw"

// parse reads what ssh is told. What is not said here of options is left out:
// there is nothing they could change. Stdin is set if it is to be read.
func parse(args []string) (Call, error) {
	c := Call{Port: "22", Patience: leastPatience, User: orElse(os.Getenv("USER"), "root"), Stdin: strings.NewReader("")}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		option := args[0]
		args = args[1:]
		for flags := option[1:]; flags != ""; flags = flags[1:] {
			if !strings.Contains(withValue, flags[:1]) {
				if flags[0] == 'n' {
					c.Stdin = nil
				}
				continue
			}
			value := flags[1:]
			if value == "" {
				if len(args) == 0 {
					return c, fmt.Errorf("option %s needs a value", option)
				}
				value, args = args[0], args[1:]
			}
			if err := c.set(flags[0], value); err != nil {
				return c, err
			}
			break
		}
	}
	if len(args) == 0 {
		return c, errors.New("name a host")
	}
	c.Host = args[0]
	if user, host, ok := strings.Cut(args[0], "@"); ok {
		c.User, c.Host = user, host
	}
	c.Command = strings.Join(args[1:], " ")
	return c, nil
}

func (c *Call) set(option byte, value string) error {
	switch option {
	case 'p':
		c.Port = value
	case 'l':
		c.User = value
	case 'i':
		c.Key = value
	case 'o':
		name, is, _ := strings.Cut(strings.ReplaceAll(value, " ", "="), "=")
		switch strings.ToLower(name) {
		case "port":
			c.Port = is
		case "user":
			c.User = is
		case "identityfile":
			c.Key = is
		case "connectionattempts":
			n, err := strconv.Atoi(is)
			if err != nil || n < 1 {
				return fmt.Errorf("option ConnectionAttempts is %q: give a number, 1 or more", is)
			}
			c.Patience = max(leastPatience, time.Duration(n)*tryAgain)
		}
	}
	return nil
}
