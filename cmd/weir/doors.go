package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// The doors are where the machine's users come in.
type doors struct {
	api, s3, front []*net.TCPListener
	names          []string // of the machine, where it is open to others
}

// The ports that are tried first. The next free ones are taken, up to a hundred
// on; those of the last run come before all.
const (
	firstAPIPort   = 6443
	firstS3Port    = 9000
	firstFrontPort = 8080
)

// openDoors listens on the address of the machine that is asked for, and on its
// loopback, where weir's own commands come in.
func openDoors(dir string, o upOptions) (*doors, error) {
	last, err := lastState(dir)
	if err != nil {
		return nil, err
	}
	if last == nil {
		last = &state{}
	}
	var d doors
	if d.api, err = listen("Kubernetes", o.listen, portOf(last.Kubernetes.URL, firstAPIPort)); err != nil {
		return nil, err
	}
	if d.s3, err = listen("S3", o.listen, portOf(last.S3.URL, firstS3Port)); err != nil {
		return nil, err
	}
	switch {
	case o.has("gateway") && o.port != 0:
		if d.front, err = listenAll(addressesOf(o.listen), o.port); err != nil {
			return nil, fmt.Errorf("listen on %s port %d for the front door: %w; name another port, or none for the first that is free", o.listen, o.port, err)
		}
	case o.has("gateway"):
		if d.front, err = listen("the front door", o.listen, portOf(last.Front.URL, firstFrontPort)); err != nil {
			return nil, err
		}
	}
	if !net.ParseIP(o.listen).IsLoopback() {
		d.names = namesOf(o.listen)
	}
	return &d, nil
}

// listen takes the first port that is free on all the addresses it needs.
func listen(what, address string, port int) ([]*net.TCPListener, error) {
	addresses := addressesOf(address)
	for p := port; p < port+100; p++ {
		all, err := listenAll(addresses, p)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listen on %s port %d: %w", address, p, err)
		}
		if p != port {
			fmt.Printf("port %d is taken; %s is at port %d\n", port, what, p)
		}
		return all, nil
	}
	return nil, fmt.Errorf("listen on %s: ports %d to %d are all taken", address, port, port+99)
}

// addressesOf are an address and the loopback, where that does not include it.
func addressesOf(address string) []net.IP {
	ip := net.ParseIP(address)
	if ip.IsLoopback() || ip.IsUnspecified() {
		return []net.IP{ip}
	}
	return []net.IP{net.IPv4(127, 0, 0, 1), ip}
}

func listenAll(addresses []net.IP, port int) ([]*net.TCPListener, error) {
	var all []*net.TCPListener
	for _, ip := range addresses {
		network := "tcp"
		if ip.To4() != nil {
			network = "tcp4" // else 0.0.0.0 would mean IPv6 too, and ::1 is not where we look for ourselves
		}
		l, err := net.ListenTCP(network, &net.TCPAddr{IP: ip, Port: port})
		if err != nil {
			for _, before := range all {
				_ = before.Close()
			}
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// namesOf are the names under which others know an address.
func namesOf(address string) []string {
	ip := net.ParseIP(address)
	if !ip.IsUnspecified() {
		return []string{address}
	}
	var names []string
	if all, err := net.InterfaceAddrs(); err == nil {
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok {
				names = append(names, n.IP.String())
			}
		}
	}
	return names
}

func portOf(url string, otherwise int) int {
	_, port, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "http://"), ":")
	var p int
	if ok {
		if _, err := fmt.Sscanf(port, "%d", &p); err == nil {
			return p
		}
	}
	return otherwise
}
