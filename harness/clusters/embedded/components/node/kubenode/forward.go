package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// How long a client is kept waiting for an address that does not answer. It bounds a hang, no more: a component that
	// starts is there long before, and one that is gone for good is told by the cluster's own check.
	patience = 30 * time.Second
	// How soon an address that refused is dialled again.
	pause = 20 * time.Millisecond
)

var errClientGone = errors.New("the client went away")

// forward accepts on listeners that it inherited as file descriptors and joins each connection to an address.
//
// The listeners were opened in the host's network namespace, the addresses are dialled in this process's: that is the
// only way between the two. Arguments are FD=HOST:PORT. A half-closed direction stays half-closed, so that a client which
// has sent its whole request still gets the answer.
func forward(pairs []string) {
	if len(pairs) == 0 {
		fmt.Fprintln(os.Stderr, "forward: name at least one FD=HOST:PORT")
		os.Exit(2)
	}
	var serving sync.WaitGroup
	for _, pair := range pairs {
		number, address, found := strings.Cut(pair, "=")
		fd, err := strconv.Atoi(number)
		if !found || err != nil {
			fmt.Fprintf(os.Stderr, "forward: %q is not FD=HOST:PORT\n", pair)
			os.Exit(2)
		}
		file := os.NewFile(uintptr(fd), pair)
		listener, err := net.FileListener(file)
		if err != nil {
			log.Fatalf("forward: descriptor %d is no listener: %v", fd, err)
		}
		file.Close() // the listener has a copy
		serving.Add(1)
		go func() {
			defer serving.Done()
			accept(listener, address)
		}()
	}
	serving.Wait()
}

func accept(listener net.Listener, address string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatalf("forward: accept for %s: %v", address, err)
		}
		go join(client.(*net.TCPConn), address)
	}
}

func join(client *net.TCPConn, address string) {
	defer client.Close()
	dialled, err := dial(client, address)
	if err != nil {
		if err != errClientGone {
			log.Printf("forward: %v", err)
		}
		client.SetLinger(0) // a reset, as the client would see from an address where nothing listens
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	done := make(chan struct{})
	go func() {
		copyHalf(server, client)
		close(done)
	}()
	copyHalf(client, server)
	<-done
}

// dial connects to address, again and again until it answers, the client goes, or patience ends.
//
// While a component starts nothing listens behind it. A reset at that moment would have every client come back at its
// own pace, and Python before 3.11.8 leaks a TLS socket whose peer resets before the handshake (python/cpython 113280).
func dial(client *net.TCPConn, address string) (net.Conn, error) {
	deadline := time.Now().Add(patience)
	for {
		server, err := net.DialTimeout("tcp", address, time.Until(deadline))
		if err == nil {
			return server, nil
		}
		if time.Until(deadline) <= pause {
			return nil, err
		}
		time.Sleep(pause)
		if gone(client) {
			return nil, errClientGone
		}
	}
}

// gone tells whether the client closed or reset the connection before it sent anything. What it sent stays unread. One
// that sent its request and closed looks like one that waits for the answer.
func gone(client *net.TCPConn) bool {
	raw, err := client.SyscallConn()
	if err != nil {
		return true
	}
	closed := false
	err = raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
	})
	return closed || err != nil
}

func copyHalf(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.SetLinger(0)
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
