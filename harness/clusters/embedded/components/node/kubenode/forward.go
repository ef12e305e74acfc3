package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

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
		listener, err := net.FileListener(os.NewFile(uintptr(fd), pair))
		if err != nil {
			log.Fatalf("forward: descriptor %d is no listener: %v", fd, err)
		}
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
	dialled, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		log.Printf("forward: %v", err)
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

func copyHalf(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.SetLinger(0)
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
